"""Readers of Delta tables judge what this program writes: deltalake (delta-rs), Polars and DuckDB with its extension.

    python delta_readers.py PROGRAM CONFIGURATION LAKE

needs `pip install deltalake polars pyarrow duckdb duckdb-ext-delta`, the last two of one version. The configuration names LAKE in `[destinations.delta]`. The program has run
and delivered twice. Every reader must find the rows that the program's own query finds, in every table, and the
version before by time travel; after an erasure no file below LAKE may have the person, and no older version may be left.
"""

import json
import os
import pathlib
import subprocess
import sys

import deltalake
import duckdb
import polars

PROGRAM, CONFIGURATION, LAKE = sys.argv[1:]
lake = pathlib.Path(LAKE)


def ours(*arguments):
    command = [PROGRAM, *arguments, "--config", CONFIGURATION]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arguments}: {done.stderr}")
    return done.stdout


def rows(table):
    sql = f"SELECT * FROM {table}"
    text = ours("query", sql, "--output", "ndjson")
    return [json.loads(line) for line in text.splitlines()]


def plain(value):
    """A value as our JSON has it: times in milliseconds, no difference between a missing and a null."""
    if hasattr(value, "timestamp"):
        return round(value.timestamp() * 1000)
    return value


def comparable(found):
    def time(value):
        if isinstance(value, str) and value.endswith("Z") and len(value) >= 20 and value[4] == "-":
            import datetime

            return round(datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000)
        return value

    lines = [{name: time(plain(value)) for name, value in row.items() if value is not None} for row in found]
    return sorted(json.dumps(line, sort_keys=True) for line in lines)


def tables():
    return sorted(path.parent.name for path in lake.glob("*/_delta_log"))


def readers():
    yield "deltalake", lambda path: deltalake.DeltaTable(path).to_pyarrow_table().to_pylist()
    yield "polars", lambda path: polars.read_delta(path).to_dicts()
    connection = duckdb.connect()
    found = pathlib.Path(duckdb.__file__).parent.parent.glob("duckdb_ext/**/delta.duckdb_extension")
    connection.execute(f"LOAD '{next(found)}'")

    def by_extension(path):
        return connection.execute("SELECT * FROM delta_scan(?)", [path]).fetch_arrow_table().to_pylist()

    yield "duckdb", by_extension


def assert_equal(when):
    for name, read in readers():
        for table in tables():
            found = read(str(lake / table))
            # The query adds columns that are the same in all rows, such as the type.
            names = set().union(*found) if found else set()
            stored = [{name: row[name] for name in row if name in names} for row in rows(table)]
            expected, found = comparable(stored), comparable(found)
            assert found == expected, f"{when}: {name} reads {table} otherwise: {len(found)} of {len(expected)} rows"
        print(f"{when}: {name} reads all {len(tables())} tables as they are")


def main():
    assert len(tables()) >= 7, tables()
    assert_equal("two generations")
    device = str(lake / "nexthink_device")
    versions = deltalake.DeltaTable(device).version()
    assert versions >= 1, versions
    before = deltalake.DeltaTable(device, version=versions - 1).to_pyarrow_table().num_rows
    now = deltalake.DeltaTable(device).to_pyarrow_table().num_rows
    assert before != now, "the version before has the devices of before"
    print(f"time travel: {before} devices in version {versions - 1}, {now} in version {versions}")
    # The log alone, without a checkpoint.
    last = lake / "nexthink_device/_delta_log/_last_checkpoint"
    os.rename(last, str(last) + ".away")
    assert deltalake.DeltaTable(device).to_pyarrow_table().num_rows == now
    os.rename(str(last) + ".away", last)

    user = next(row["upn"] for row in rows("nexthink_user") if row.get("upn"))
    ours("privacy", "key", "new")
    ours("privacy", "erase", "--user", user, "--reason", "request", "--yes")
    ours("sync", "delta")
    assert_equal("after an erasure")
    for path in lake.rglob("*"):
        if path.is_file():
            assert user.encode() not in path.read_bytes(), f"{path} has the person"
    for table in tables():
        found = len(list((lake / table / "_delta_log").glob("*.json")))
        assert found == 1, f"{table} has {found} versions"
        # The bytes may be compressed: what the readers see is asserted above, and older files are gone.
        version = deltalake.DeltaTable(str(lake / table))
        names = {path.name for path in (lake / table).glob("*.parquet")}
        assert names == {pathlib.Path(uri).name for uri in version.file_uris()}, table
    print("after an erasure: one version of each table, no other file, and the person in none")


main()
