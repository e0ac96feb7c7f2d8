"""Reads datasets with DuckDB, pyarrow, pandas and Polars and compares them with
what headroom itself says: row counts, column types, units, NULLs, aggregates, what
filters leave unread, the exports, and the queries of README.md.

usage: second_reader.py HEADROOM DIRECTORY
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
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq

# Every status, both kinds of price, runs of cases that fit and do not.
MIXED = """\
study: second-reader
grid:
  model: [seed-gpt2-xl, gpt2, llama-3.1-8b, qwen2.5-7b]
  context: [1024, 4096, 131072]
  micro_batch: 1..7
  tp: [1, 3]
  accelerator: [t4, a100-sxm-80gb, h100-sxm, b200-sxm, mi455x]
tokens: 1B
out: {part_rows: 64}
"""

# Long runs of the same model, accelerator and status: what filters can leave out.
LONG = """\
study: long-runs
grid:
  model: [gpt2, llama-3.2-1b, llama-3.1-8b, qwen2.5-7b, llama-3.1-70b]
  accelerator: [a100-sxm-80gb, h100-sxm, b200-sxm]
  context: [1024, 4096, 131072]
  micro_batch: 1..5000
tokens: 1B
out: {part_rows: 15000}
"""

ARROW = {"int32": "int32", "int64": "int64", "float64": "double", "bool": "bool", "string": "string"}
DUCK = {"int32": "INTEGER", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN", "string": "VARCHAR"}
POLARS = {"int32": polars.Int32, "int64": polars.Int64, "float64": polars.Float64, "bool": polars.Boolean, "string": polars.String}

HEADROOM = ""


def headroom(*args):
    return subprocess.run([HEADROOM, *args], check=True, capture_output=True).stdout


def ask(*args):
    return json.loads(headroom(*args, "--json"))


def sweep(name, text, *args):
    """Writes a study and sweeps it into NAME.ds."""
    shutil.rmtree(name + ".ds", ignore_errors=True)
    with open(name + ".yaml", "w", encoding="utf-8") as f:
        f.write(text)
    headroom("sweep", name + ".yaml", "-o", name + ".ds", "--quiet", *args)
    return name + ".ds"


def plain(arrow_type):
    """The type of the values of a dictionary."""
    return str(getattr(arrow_type, "value_type", arrow_type))


def check_contents(dataset):
    """Rows, types, units, NULLs and sums, reader by reader, against `headroom top`."""
    columns = ask("top", "--list")["columns"]
    ours = ask("top", dataset, "--where", "", "--by", "case_id", "--columns", "all", "--limit", "1000000")
    rows = ours["rows"]
    assert ours["complete"] and ours["scanned"] == len(rows) > 100, ours["scanned"]
    files = dataset + "/data/*.parquet"
    con = duckdb.connect()

    def duck(query):
        return con.execute(query.format(files)).fetchall()

    # Rows and types. A directory or a pattern is read as one table, parts in order.
    assert duck("SELECT count(*) FROM '{}'") == [(len(rows),)]
    assert duck("SELECT count(*) FROM parquet_file_metadata('{}')")[0][0] == len(glob.glob(files)) > 3
    types = {name: kind for name, kind, *_ in duck("DESCRIBE SELECT * FROM '{}'")}
    assert types == {c["name"]: DUCK[c["type"]] for c in columns}, types
    table = pq.read_table(dataset + "/data")
    assert [(f.name, plain(f.type)) for f in table.schema] == [(c["name"], ARROW[c["type"]]) for c in columns]
    frame = polars.read_parquet(files)
    assert dict(frame.schema) == {c["name"]: POLARS[c["type"]] for c in columns}, frame.schema
    pandas_frame = pandas.read_parquet(dataset + "/data")
    assert pandas_frame.shape == frame.shape == (len(rows), len(columns))

    # Units and meanings, as each file tells them, and as the names end.
    meta = pq.read_schema(sorted(glob.glob(files))[0]).metadata
    described = json.loads(meta[b"headroom.columns"])
    assert described == columns
    by_duckdb = dict(duck("SELECT DISTINCT decode(key), decode(value) FROM parquet_kv_metadata('{}')"))
    assert json.loads(by_duckdb["headroom.columns"]) == columns
    assert by_duckdb["headroom.run_id"] == ours["run_id"] and by_duckdb["headroom.name"] == ours["study"]
    for c in columns:
        assert c["unit"] and c["meaning"], c
        ending = {"bytes": "_bytes", "s": "_seconds", "FLOP": "_flops"}.get(c["unit"])
        assert ending is None or c["name"].endswith(ending), c

    # NULL where we say null, in every reader.
    for c in columns:
        name = c["name"]
        nulls = sum(r[name] is None for r in rows)
        counts = [
            duck(f"SELECT count(*) - count({name}) FROM '{{}}'")[0][0],
            table.column(name).null_count,
            int(pandas_frame[name].isna().sum()),
            frame[name].null_count(),
        ]
        assert counts == [nulls] * 4, (name, counts, nulls)
        assert nulls == 0 or c.get("nullable"), c
    assert duck("SELECT count(*) FROM '{}' WHERE step_seconds = 0 OR cost_usd = 0 OR price_usd_per_gpu_hour = 0") == [(0,)]

    # Aggregates, by three ways of adding up.
    fits = [r for r in rows if r["status"] == "fits"]
    assert duck("SELECT sum(peak_bytes) FROM '{}' WHERE status = 'fits'") == [(sum(r["peak_bytes"] for r in fits),)]
    by_status = {s: sum(r["status"] == s for r in rows) for s in {r["status"] for r in rows}}
    assert dict(duck("SELECT status, count(*) FROM '{}' GROUP BY status")) == by_status, by_status
    assert set(by_status) == {"fits", "oom", "ruled_out"}
    for c in columns:  # every fraction: the largest to the last bit, the sum but for its order
        values = [float(r[c["name"]]) for r in rows if r[c["name"]] is not None] if c["type"] == "float64" else []
        if values:
            largest, together = duck(f"SELECT max({c['name']}), sum({c['name']}) FROM '{{}}'")[0]
            assert largest == max(values), (c, largest)
            assert math.isclose(together, sum(values), rel_tol=1e-12), (c, together)
    assert table.column("headroom_bytes").to_pylist() == [r["headroom_bytes"] for r in rows]
    assert frame["usable_bytes"].sum() == sum(r["usable_bytes"] for r in rows)
    assert pandas_frame["model"].tolist() == [r["model"] for r in rows]
    print(f"  contents: {len(rows)} rows, {len(columns)} columns, {by_status}")
    return rows, columns


def check_exports(dataset, rows, columns):
    """CSV and JSON Lines hold the same names and the same values."""
    names = [c["name"] for c in columns]
    nullable = {c["name"] for c in columns if c.get("nullable")}
    table = pq.read_table(dataset + "/data").to_pylist()
    for kind in "csv", "jsonl":
        with open("rows." + kind, "wb") as f:
            f.write(headroom("export", dataset, "--format", kind))

    def same(reader, got, empty_is_null=False):
        assert len(got) == len(table), (reader, len(got))
        for ours, theirs in zip(table, got):
            assert list(theirs) == names, (reader, list(theirs))
            for name in names:
                a, b = ours[name], theirs[name]
                if isinstance(b, float) and math.isnan(b) or b is None:
                    b = "" if empty_is_null and name not in nullable else None
                elif isinstance(a, float):
                    b = float(b)  # a large one is written like an integer
                assert a == b, (reader, name, a, b)

    con = duckdb.connect()
    types = json.dumps({c["name"]: DUCK[c["type"]] for c in columns}).replace('"', "'")

    def duck(query):
        return [dict(zip(names, row)) for row in con.execute(query).fetchall()]

    same("DuckDB, CSV", duck(f"SELECT * FROM read_csv('rows.csv', columns = {types})"), empty_is_null=True)
    same("DuckDB, JSON", duck(f"SELECT * FROM read_json('rows.jsonl', columns = {types})"))
    same("pandas, CSV", pandas.read_csv("rows.csv").to_dict("records"), empty_is_null=True)
    same("pandas, JSON", pandas.read_json("rows.jsonl", lines=True, precise_float=True).to_dict("records"))
    same("Polars, CSV", polars.read_csv("rows.csv", infer_schema_length=None).to_dicts(), empty_is_null=True)
    same("Polars, JSON", polars.read_ndjson("rows.jsonl", schema={c["name"]: POLARS[c["type"]] for c in columns}).to_dicts())
    assert [r["case_id"] for r in rows] == [r["case_id"] for r in table]
    print(f"  exports: CSV and JSON Lines of {len(rows)} rows")


def check_pruning(dataset):
    """Filters on slow axes leave row groups unread, by their statistics alone."""
    files = dataset + "/data/*.parquet"
    con = duckdb.connect()
    total = con.execute(f"SELECT count(*), (SELECT sum(num_row_groups) FROM parquet_file_metadata('{files}')) FROM '{files}'").fetchone()
    arrow = pyarrow.dataset.dataset(dataset + "/data")

    def scan(profile):
        if "row_groups_scanned" in profile:
            return profile["row_groups_scanned"]
        return next((n for child in profile.get("children", profile.get("operator", [])) if (n := scan(child)) is not None), None)

    def groups(where):
        """Row groups that DuckDB's EXPLAIN ANALYZE reports as read."""
        con.execute("PRAGMA enable_profiling = 'json'")
        con.execute(f"PRAGMA profiling_output = '{os.path.abspath('profile.json')}'")
        ((rows,),) = con.execute(f"SELECT count(peak_bytes) FROM '{files}' WHERE {where}").fetchall()
        con.execute("PRAGMA disable_profiling")
        with open("profile.json", encoding="utf-8") as f:
            return scan(json.load(f)), rows

    def arrow_groups(expression):
        return sum(len(part.row_groups) for f in arrow.get_fragments() for part in f.split_by_row_group(expression))

    field = pc.field
    for where, expression, most, most_by_arrow in [
        ("model = 'llama-3.1-8b'", field("model") == "llama-3.1-8b", 0.25, 0.25),
        ("model = 'gpt2' AND accelerator = 'h100-sxm'", (field("model") == "gpt2") & (field("accelerator") == "h100-sxm"), 0.10, 0.10),
        ("case_id BETWEEN 100000 AND 100999", (field("case_id") >= 100000) & (field("case_id") < 101000), 0.10, 0.10),
        ("parameters_total > 50000000000", field("parameters_total") > 50_000_000_000, 0.25, 0.25),
        ("status = 'fits'", field("status") == "fits", 0.60, 0.60),
        # pyarrow does not use the bounds of a column with NULLs
        ("status = 'fits' AND cost_usd < 3", (field("status") == "fits") & (field("cost_usd") < 3), 0.25, 0.60),
        ("accelerator = 'h300'", field("accelerator") == "h300", 0.10, 0.10),
    ]:
        read, rows = groups(where)
        read_by_arrow = arrow_groups(expression)
        assert rows == arrow.count_rows(filter=expression), where
        what = f"{where}: {rows} rows; of {total[1]} row groups DuckDB reads {read}, pyarrow {read_by_arrow}"
        assert read <= most * total[1] and read_by_arrow <= most_by_arrow * total[1], what
        print(f"  pruning: {what}")


def check_readme(text):
    """Runs the queries of README.md; each answers what headroom answers."""
    study = re.search(r"```yaml\n(# study\.yaml\n.*?)```", text, re.S).group(1)
    sweep("nodes", study)
    shutil.rmtree("pick-8b-1T.ds", ignore_errors=True)
    headroom("sweep", "pick-8b-1T", "--quiet")
    con = duckdb.connect()
    queries = re.findall(r"```sql\n(.*?)```", text, re.S)
    assert len(queries) == 3, "README.md has three queries"

    def answer(query):
        result = con.execute(query)
        names = [d[0] for d in result.description]
        return [dict(zip(names, row)) for row in result.fetchall()]

    # The cheapest fit of each model.
    cheapest = answer(queries[0])
    ours = ask("top", "nodes.ds", "--per", "model", "--by", "cost_usd", "--columns", ",".join(cheapest[0]))["rows"]
    assert cheapest == ours and len(ours) == 2, (cheapest, ours)

    # Memory to spare by GPU.
    spare = answer(queries[1])
    for row in spare:
        top = ask("top", "nodes.ds", "--where", f"fits && accelerator == '{row['accelerator']}'", "--by=-headroom_bytes", "--limit", "1")
        assert row["fits"] == top["matched"], (row, top["matched"])
        assert math.isclose(row["most_spare_gib"], top["rows"][0]["headroom_bytes"] / 2**30, rel_tol=1e-12), (row, top)
    assert len(spare) == 3

    # The front of dollars against days.
    front = answer(queries[2])
    accelerators = ask("plan", "pick-8b-1T")["axes"]
    values = {a["name"]: a["values"] for a in accelerators}
    picked = ask(
        "pick", "--model", "llama-3.1-8b", "--tokens", "1T", "--seq", "8Ki", "--global-batch", "512",
        "--gpu", ",".join(values["accelerator"]), "--gpus", ",".join(values["gpus"]),
    )["front"]
    ours = [(c["gpu"], c["gpus"], c["days"], c["cost"]["usd"]) for c in picked]
    theirs = [(r["accelerator"], r["gpus"], r["run_days"], r["cost_usd"]) for r in front]
    assert len(ours) == len(theirs) > 3, (ours, theirs)
    for a, b in zip(ours, theirs):
        assert a[:2] == b[:2] and all(math.isclose(x, y, rel_tol=1e-12) for x, y in zip(a[2:], b[2:])), (a, b)
    print(f"  README.md: {len(cheapest)} models, {len(spare)} accelerators, {len(front)} choices on the front")


def main(binary, directory):
    global HEADROOM
    HEADROOM = os.path.abspath(binary)
    with open("README.md", encoding="utf-8") as f:
        text = f.read()
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    dataset = sweep("mixed", MIXED)
    rows, columns = check_contents(dataset)
    check_exports(dataset, rows, columns)
    check_pruning(sweep("long", LONG))
    check_readme(text)
    print(f"DuckDB {duckdb.__version__}, pyarrow, pandas and Polars agree with headroom")


if __name__ == "__main__":
    main(*sys.argv[1:])
