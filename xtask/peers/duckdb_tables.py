"""Devices, packages and their edges by DuckDB: plain CSV files to Parquet files.

Does: reads both local files, keeps one row of each device and each package, draws an edge for each distinct
pair whose device is known, writes four Parquet files (zstd). Columns keep their names and are text.
Does not: HTTP, decompression, conversions of values, accounts of rows, checksums, publication.

Usage: duckdb_tables.py FOLDER OUT text|numbers
"""

import sys

import duckdb

folder, out, keys = sys.argv[1:]
database = duckdb.connect()


def run(sql):
    database.execute(sql)


def write(sql, name):
    run(f"COPY ({sql}) TO '{out}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")


for name in ["devices", "packages"]:
    run(f"CREATE TABLE {name}_rows AS FROM read_csv('{folder}/{name}.csv', header = true, all_varchar = true)")
number = "(row_number() OVER (ORDER BY uid) - 1)::UINTEGER AS number"
run(f"""CREATE TABLE devices AS SELECT *, {number} FROM (
    SELECT DISTINCT ON ("device.uid") "device.uid" AS uid, * EXCLUDE ("device.uid") FROM devices_rows)""")
run(f"""CREATE TABLE packages AS SELECT *, {number} FROM (
    SELECT DISTINCT ON ("package.uid") "package.uid" AS uid, * EXCLUDE ("package.uid", "device.uid")
    FROM packages_rows)""")
if keys == "text":
    edges = """SELECT DISTINCT "device.uid", "package.uid" FROM packages_rows
        SEMI JOIN devices ON devices.uid = packages_rows."device.uid" """
    has = "SELECT 'acme' AS account, uid FROM devices"
else:
    edges = """SELECT DISTINCT devices.number AS "from", packages.number AS "to" FROM packages_rows
        JOIN devices ON devices.uid = packages_rows."device.uid"
        JOIN packages ON packages.uid = packages_rows."package.uid" """
    has = "SELECT 0::UINTEGER AS account, number FROM devices"
write("SELECT * EXCLUDE (number) FROM devices ORDER BY uid", "devices")
write("SELECT * EXCLUDE (number) FROM packages ORDER BY uid", "packages")
write(edges, "device_installed_package")
write(has, "account_has_device")
