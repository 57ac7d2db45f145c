"""The command: ``python -m bench``, with ``--rows``, ``--latencies``, ``--rounds``, ``--only``, ``--sqlite``, ``--growth``,
``--publish``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import data, growth, report
from bench.report import Result
from bench.running import CONTENDERS, run
from bench.servers import Postgres, postgres

ROOT = Path(__file__).resolve().parent.parent


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
                result = run(contender, server, source, new_outbox(), latency)
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
    parser.add_argument("--growth", metavar="ROWS,...", help="instead: what a row, and a day, cost with so many rows")
    parser.add_argument("--publish", action="store_true")
    given = parser.parse_args()
    latencies = [float(number) / 1000 for number in given.latencies.split(",")]
    rounds = dict(zip(latencies, map(int, given.rounds.split(",")), strict=True)) if not given.growth else {}
    with tempfile.TemporaryDirectory(prefix="tablero-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user where we are root
        with postgres(Path(folder)) as server:

            def new_outbox() -> str:
                if given.sqlite:
                    return f"sqlite:///{tempfile.mkdtemp(dir=folder)}/outbox.db"
                return server.database("outbox")

            if given.growth:
                growth.measure(server, new_outbox, [int(rows) for rows in given.growth.split(",")])
                return
            results = compare(server, new_outbox, given.rows, rounds, given.only.split(","))
    print(report.table(results, "en"))
    if given.publish:
        report.publish(results, given.rows, rounds, ROOT)


if __name__ == "__main__":
    main()
