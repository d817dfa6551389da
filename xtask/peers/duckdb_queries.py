"""DuckDB answers a query on the files of a generation.

    python duckdb_queries.py GENERATION SQL

needs `pip install duckdb`. Each type is a view of its Parquet files; nothing is loaded before. Prints the time of
the query alone in milliseconds, without the start of Python, and the rows as JSON.
"""

import json
import pathlib
import sys
import time

import duckdb


def main(generation, sql):
    connection = duckdb.connect()
    for folder in sorted(pathlib.Path(generation).glob("*/nexthink_*")):
        files = str(folder / "*.parquet").replace("'", "''")
        connection.execute(f"create view {folder.name} as select * from '{files}'")
    start = time.perf_counter()
    rows = connection.execute(sql).fetchall()
    print(f"{(time.perf_counter() - start) * 1e3:.1f}")
    for row in rows:
        print(json.dumps(row, default=str))


main(*sys.argv[1:])
