"""Devices, packages and their edges by Polars: plain CSV files to Parquet files.

Does: reads both local files, keeps the first row of each device and each package, draws an edge for each
distinct pair whose device is known, writes four Parquet files (zstd). Columns keep their names and are text.
Does not: HTTP, decompression, conversions of values, accounts of rows, checksums, publication.

Usage: polars_tables.py FOLDER OUT text|numbers
"""

import sys

import polars as pl

folder, out, keys = sys.argv[1:]


def read(name):
    return pl.read_csv(f"{folder}/{name}.csv", infer_schema=False)


def write(frame, name):
    frame.write_parquet(f"{out}/{name}.parquet", compression="zstd", compression_level=1)


devices = read("devices").unique("device.uid", keep="first").sort("device.uid")
rows = read("packages")
packages = rows.unique("package.uid", keep="first").drop("device.uid").sort("package.uid")
pairs = rows.select("device.uid", "package.uid")
if keys == "text":
    edges = pairs.unique().join(devices.select("device.uid"), on="device.uid", how="semi")
    has = devices.select(pl.lit("acme").alias("account"), "device.uid")
else:
    number = pl.int_range(pl.len(), dtype=pl.UInt32)
    numbered_devices = devices.select("device.uid", number.alias("from"))
    numbered_packages = packages.select("package.uid", number.alias("to"))
    joined = pairs.join(numbered_devices, on="device.uid").join(numbered_packages, on="package.uid")
    edges = joined.select("from", "to").unique()
    has = numbered_devices.select(pl.lit(0, dtype=pl.UInt32).alias("account"), "from")
write(devices, "devices")
write(packages, "packages")
write(edges, "device_installed_package")
write(has, "account_has_device")
