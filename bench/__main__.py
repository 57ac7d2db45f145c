"""The command: ``python -m bench``, with ``--rows``, ``--latencies``, ``--rounds``, ``--only``, ``--sqlite``, ``--publish``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import data, report
from bench.report import Result
from bench.servers import Postgres, postgres, sink

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
_PYTHONS = {"dlt_destination": ROOT / ".venv-dlt" / "bin" / "python"}
CONTENDERS = ("tablero", "guide", "http_hook", "dlt_destination")


def run(contender: str, source: str, new_outbox: Callable[[], str], latency: float) -> Result:
    """One run of one contender on a fresh outbox and sink.

    :param new_outbox: makes an empty database, and returns its URL.
    :raises SystemExit: if it failed, or the sink did not get what it says it sent.
    """
    with sink(latency) as target:
        command = [str(_PYTHONS.get(contender, sys.executable)), "-m", f"bench.contenders.{contender}"]
        command += ["--source", source, "--outbox", new_outbox(), "--sink", target.url]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
        if done.returncode != 0:
            sys.exit(f"{contender} failed: {done.stdout}")
        said = json.loads(done.stdout.splitlines()[-1])
        came = target.counts()
    if came["rows"] != said["rows"]:
        sys.exit(f"{contender} says that it sent {said['rows']} rows; {came['rows']} came")
    return Result(contender, latency, said["rows"], said["seconds"], said["peak"], came["calls"])


def compare(
    server: Postgres, new_outbox: Callable[[], str], rows: int, rounds: dict[float, int], contenders: list[str]
) -> list[Result]:
    """Let the contenders take turns; returns the median run of each at each latency.

    :param new_outbox: makes an empty database, and returns its URL.
    :param rounds: how many, by the latency of the sink in seconds.
    """
    source = server.database("institution")
    count = data.fill(source, rows)
    print(f"{count} rows", flush=True)
    found = []
    for latency, turns in rounds.items():
        runs: dict[str, list[Result]] = {contender: [] for contender in contenders}
        for _ in range(turns):
            for contender in contenders:
                result = run(contender, source, new_outbox, latency)
                if result.rows != count:
                    sys.exit(f"{contender} sent {result.rows} of {count} rows")
                print(result, flush=True)
                runs[contender].append(result)
        found += [_median(results) for results in runs.values()]
    return found


def _median(results: list[Result]) -> Result:
    """The run in the middle; of two, the slower."""
    return sorted(results, key=lambda result: result.seconds)[len(results) // 2]


def main() -> None:
    """Read the command line, run, print the table; with ``--publish``, put table and chart into the READMEs."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--latencies", default="0,50,300", help="of the sink, in milliseconds")
    parser.add_argument("--rounds", default="3,3,1", help="at each latency; the longest one varies least, and takes longest")
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--sqlite", action="store_true", help="the outbox is an SQLite file")
    parser.add_argument("--publish", action="store_true")
    given = parser.parse_args()
    latencies = [float(number) / 1000 for number in given.latencies.split(",")]
    rounds = dict(zip(latencies, map(int, given.rounds.split(",")), strict=True))
    with tempfile.TemporaryDirectory(prefix="tablero-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user where we are root
        with postgres(Path(folder)) as server:

            def new_outbox() -> str:
                if given.sqlite:
                    return f"sqlite:///{tempfile.mkdtemp(dir=folder)}/outbox.db"
                return server.database("outbox")

            results = compare(server, new_outbox, given.rows, rounds, given.only.split(","))
    print(report.table(results, "en"))
    if given.publish:
        report.publish(results, given.rows, rounds, ROOT)


if __name__ == "__main__":
    main()
