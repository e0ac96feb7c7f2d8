"""Compares evaluating and writing a study with merely rewriting its dataset:

    COPY (SELECT * FROM read_parquet(...)) TO ... (FORMAT parquet, COMPRESSION zstd)

by DuckDB, both with the same number of threads, all columns. It prints seconds by
the clock and of processors, and their ratios: below 1 the study is made faster
than DuckDB copies it. Runs alternate and the fastest of each counts, for a
machine is seldom idle.

usage: rewrite.py HEADROOM WORKDIR [--threads N] [--runs N] STUDY [--set KEY=VALUE]...
"""

import argparse
import glob
import json
import os
import resource
import shutil
import subprocess
import sys
import time

COPY = """\
import sys, duckdb
c = duckdb.connect()
c.execute(f"SET threads = {sys.argv[1]}")
c.execute(f"COPY (SELECT * FROM read_parquet('{sys.argv[2]}/data/*.parquet')) TO '{sys.argv[3]}' (FORMAT parquet, COMPRESSION zstd)")
"""
IDLE = "import duckdb; duckdb.connect().execute('SELECT 1')"


def timed(command):
    """Seconds by the clock and of processors that a command takes, and its output."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("headroom")
    p.add_argument("workdir")
    p.add_argument("study")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--set", action="append", default=[])
    a = p.parse_args()
    dataset, copy = os.path.join(a.workdir, "made.ds"), os.path.join(a.workdir, "copy.parquet")
    sweep = [a.headroom, "sweep", a.study, "-o", dataset, "--workers", str(a.threads), "--json", "--quiet"]
    for s in a.set:
        sweep += ["--set", s]
    best = {}
    for _ in range(a.runs):
        shutil.rmtree(dataset, ignore_errors=True)
        for name, command in {
            "headroom": sweep,
            "DuckDB": [sys.executable, "-c", COPY, str(a.threads), dataset, copy],
            "start of DuckDB": [sys.executable, "-c", IDLE],
        }.items():
            wall, cpu, out = timed(command)
            if name == "headroom":
                # Without what is done before and after: reading the study, ranking the rows.
                summary = json.loads(out)
                wall, cpu = summary["seconds"], summary["cpu_seconds"] or cpu
            was = best.get(name, (wall, cpu))
            best[name] = min(wall, was[0]), min(cpu, was[1])
    rows, size = summary["rows"], summary["bytes"]
    print(f"{summary['study']}: {rows:,} rows, {size / rows:.1f} bytes a row; DuckDB's copy {os.path.getsize(copy) / rows:.1f}; {a.threads} threads")
    made = best["headroom"]
    # The interpreter and the library are not rewriting: they are taken off.
    copied = tuple(x - y for x, y in zip(best["DuckDB"], best["start of DuckDB"]))
    for i, what in enumerate(["by the clock", "of processors"]):
        print(f"  seconds {what}: evaluate and write {made[i]:.2f}, DuckDB rewrites {copied[i]:.2f}: ratio {made[i] / copied[i]:.2f}")
    shutil.rmtree(dataset)
    os.remove(copy)


main()
