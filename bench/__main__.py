"""The command: ``python -m bench``, with ``--rows``, ``--latencies``, ``--rounds``, ``--only``, ``--ids``, ``--sqlite``,
``--growth``, ``--publish``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import data, growth, report
from bench.chart import chart
from bench.plan import CONTENDERS, SQLITE, Turns, plan
from bench.report import Result
from bench.running import run
from bench.servers import Postgres, postgres

ROOT = Path(__file__).resolve().parent.parent


def compare(server: Postgres, outbox_of: Callable[[str], str], turns: list[Turns], ids: str) -> list[Result]:
    """Run the contenders in turn; returns the median run of each at each latency.

    :param outbox_of: creates an empty database for a contender, and returns its URL.
    :param ids: of the requests, a key of :data:`bench.data.IDS`.
    """
    sources = {rows: _filled(server, rows, ids) for rows in sorted({each.rows for each in turns})}
    found = []
    for latency in dict.fromkeys(each.latency for each in turns):
        here = [each for each in turns if each.latency == latency]
        runs: dict[str, list[Result]] = {each.contender: [] for each in here}
        for turn in range(max(each.rounds for each in here)):
            for contender, _, rows, rounds in here:
                if turn >= rounds:
                    continue
                source, count = sources[rows]
                result = run(contender, server, source, outbox_of(contender), latency)
                if result.rows != count:
                    sys.exit(f"{contender} sent {result.rows} of {count} rows")
                print(result, flush=True)
                runs[contender].append(result)
        found += [_median(results) for results in runs.values()]
    return found


def _filled(server: Postgres, rows: int, ids: str) -> tuple[str, int]:
    """A source of this many rows: its URL, and the actual number."""
    url = server.database(f"institution_{rows}")
    count = data.fill(url, rows, ids=ids)
    print(f"{count:,} rows", flush=True)
    return url, count


def _median(results: list[Result]) -> Result:
    """The median run; of two, the slower one."""
    return sorted(results, key=lambda result: result.seconds)[len(results) // 2]


def main() -> None:
    """Read the command line, run, print the table; with ``--publish``, put table and chart into the READMEs."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--latencies", default="0,50,300", help="of the sink, in milliseconds")
    parser.add_argument("--rounds", default="3,2,1", help="at each latency; the longest one varies least, and takes longest")
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--ids", choices=data.IDS, default="numbered", help="of the requests")
    parser.add_argument("--sqlite", action="store_true", help="with --growth: the outbox is an SQLite file")
    parser.add_argument("--growth", metavar="ROWS,...", help="instead: what a row, and a day, cost with so many rows")
    parser.add_argument("--publish", action="store_true")
    given = parser.parse_args()
    latencies = [float(number) / 1000 for number in given.latencies.split(",")]
    rounds = [int(number) for number in given.rounds.split(",")]
    with tempfile.TemporaryDirectory(prefix="tablero-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user if we are root
        with postgres(Path(folder)) as server:

            def outbox_of(contender: str) -> str:
                if contender == SQLITE:
                    return f"sqlite:///{tempfile.mkdtemp(dir=folder)}/outbox.db"
                return server.database("outbox")

            if given.growth:
                contender = SQLITE if given.sqlite else "tablero"
                growth.measure(server, lambda: outbox_of(contender), [int(rows) for rows in given.growth.split(",")], given.ids)
                return
            results = compare(server, outbox_of, plan(given.rows, latencies, rounds, given.only.split(",")), given.ids)
    print(report.table(results, "en"))
    print(report.sentences(results, "en"))
    if given.publish:
        report.publish(results, rounds, ROOT)
        (ROOT / "docs" / "bench.svg").write_text(chart(results), encoding="utf-8")


if __name__ == "__main__":
    main()
