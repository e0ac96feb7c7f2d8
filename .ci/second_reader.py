"""Reads a dataset with DuckDB, pyarrow, pandas and Polars and compares it with
what headroom itself says: row counts, column types, and aggregates.

usage: second_reader.py HEADROOM DATASET
"""

import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys

import duckdb
import pandas
import polars
import pyarrow.parquet as pq

STUDY = """\
study: second-reader
grid:
  model: [seed-gpt2-xl, gpt2, llama-3.1-8b, qwen2.5-7b]
  context: [1024, 4096, 131072]
  micro_batch: 1..7
  accelerator: [a100-sxm-80gb, h100-sxm, b200-sxm]
out: {part_rows: 64}
"""

ARROW = {"int32": "int32", "int64": "int64", "float64": "double", "bool": "bool", "string": "string"}
DUCK = {"int32": "INTEGER", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN", "string": "VARCHAR"}


def main(headroom, dataset):
    shutil.rmtree(dataset, ignore_errors=True)
    study = dataset + ".yaml"
    with open(study, "w", encoding="utf-8") as f:
        f.write(STUDY)
    subprocess.run([headroom, "sweep", study, "-o", dataset, "--quiet"], check=True, stdout=subprocess.DEVNULL)

    def ask(*args):
        return json.loads(subprocess.run([headroom, *args, "--json"], check=True, capture_output=True).stdout)

    columns = ask("top", "--list")["columns"]
    ours = ask("top", dataset, "--where", "", "--by", "case_id", "--columns", "all", "--limit", "1000000")
    rows = ours["rows"]
    assert ours["complete"] and ours["scanned"] == len(rows) > 100, ours["scanned"]

    files = dataset + "/data/*.parquet"
    con = duckdb.connect()

    def duck(query):
        return con.execute(query.format(files)).fetchall()

    # Rows and types.
    assert duck("SELECT count(*) FROM '{}'") == [(len(rows),)]
    types = {name: kind for name, kind, *_ in duck("DESCRIBE SELECT * FROM '{}'")}
    assert types == {c["name"]: DUCK[c["type"]] for c in columns}, types
    table = pq.read_table(dataset + "/data")
    assert table.num_rows == len(rows)
    for c in columns:
        kind = table.schema.field(c["name"]).type
        kind = getattr(kind, "value_type", kind)
        assert str(kind) == ARROW[c["type"]], (c, kind)
    meta = pq.read_schema(sorted(glob.glob(files))[0]).metadata
    assert [c["name"] for c in json.loads(meta[b"headroom.columns"])] == [c["name"] for c in columns]
    assert pandas.read_parquet(dataset + "/data").shape == (len(rows), len(columns))
    assert polars.read_parquet(files).shape == (len(rows), len(columns))

    # Aggregates, by three ways of adding up.
    def total(name, keep=lambda r: True):
        return sum(r[name] for r in rows if keep(r))

    fits = lambda r: r["status"] == "fits"
    assert duck("SELECT sum(peak_bytes) FROM '{}' WHERE status = 'fits'") == [(total("peak_bytes", fits),)]
    by_status = {s: sum(r["status"] == s for r in rows) for s in {r["status"] for r in rows}}
    assert dict(duck("SELECT status, count(*) FROM '{}' GROUP BY status")) == by_status, by_status
    for c in columns:  # every fraction: the largest to the last bit, the sum but for its order
        if c["type"] != "float64" or all(r[c["name"]] is None for r in rows):
            continue
        name = c["name"]
        values = [float(r[name]) for r in rows if r[name] is not None]
        largest, together = duck(f"SELECT max({name}), sum({name}) FROM '{{}}'")[0]
        assert largest == max(values), (name, largest)
        assert math.isclose(together, sum(values), rel_tol=1e-12), (name, together)
    assert table.column("headroom_bytes").to_pylist() == [r["headroom_bytes"] for r in rows]
    frame = polars.read_parquet(files)
    assert frame["usable_bytes"].sum() == total("usable_bytes")
    nulls = sum(r["price_usd_per_gpu_hour"] is None for r in rows)
    assert frame["price_usd_per_gpu_hour"].null_count() == nulls
    readme(headroom, os.path.dirname(os.path.abspath(dataset)))
    print(f"{len(rows)} rows, {len(columns)} columns, {by_status}: DuckDB {duckdb.__version__}, pyarrow, pandas and Polars agree with headroom")


def readme(headroom, directory):
    """Runs the Python of README.md on the dataset of the study beside it."""
    with open("README.md", encoding="utf-8") as f:
        text = f.read()
    study = re.search(r"```yaml\n(# study\.yaml\n.*?)```", text, re.S).group(1)
    with open(os.path.join(directory, "study.yaml"), "w", encoding="utf-8") as f:
        f.write(study)
    os.chdir(directory)
    shutil.rmtree("nodes.ds", ignore_errors=True)
    subprocess.run([headroom, "sweep", "study.yaml", "-o", "nodes.ds", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    for code in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(code, {})


if __name__ == "__main__":
    main(*sys.argv[1:])
