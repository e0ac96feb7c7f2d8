"""Reads a dataset with DuckDB, pyarrow, pandas and Polars and compares it with
what headroom itself says: row counts, column types, and aggregates.

usage: second_reader.py HEADROOM DATASET
"""

import json
import math
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
    meta = pq.read_schema(sorted(glob(files))[0]).metadata
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
    (flops,) = duck("SELECT max(model_flops_step) FROM '{}'")[0]
    assert flops == max(r["model_flops_step"] for r in rows), flops
    (weighted,) = duck("SELECT sum(forward_flops) FROM '{}'")[0]
    assert math.isclose(weighted, total("forward_flops"), rel_tol=1e-12)
    assert table.column("headroom_bytes").to_pylist() == [r["headroom_bytes"] for r in rows]
    frame = polars.read_parquet(files)
    assert frame["usable_bytes"].sum() == total("usable_bytes")
    nulls = sum(r["price_usd_per_gpu_hour"] is None for r in rows)
    assert frame["price_usd_per_gpu_hour"].null_count() == nulls
    print(f"{len(rows)} rows, {len(columns)} columns, {by_status}: DuckDB {duckdb.__version__}, pyarrow, pandas and Polars agree with headroom")


def glob(pattern):
    import glob as g

    return g.glob(pattern)


if __name__ == "__main__":
    main(*sys.argv[1:])
