"""The fault run: ``PYTHONPATH=plugins:. python -m tests.chaos.run --rounds 200 --seed 1``.

Rounds come in campaigns; the n-th campaign has the seed ``--seed`` + n, so that a failing one can be replayed alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

# Before the first import of Airflow, which reads it and creates files there.
_home = tempfile.TemporaryDirectory(prefix="tablero-chaos-home-")
os.environ.setdefault("AIRFLOW_HOME", _home.name)

from tests.chaos.campaign import Campaign, Round, Totals, Violation  # noqa: E402
from tests.chaos.servers import DashboardServer, Databases, PostgresDatabases, SqliteFiles  # noqa: E402

#: Rounds of a campaign, including the last one without faults.
ROUNDS = 10

Say = Callable[[str], None]


def chaos(rounds: int, seed: int, outbox: str, say: Say, *, keep: Path | None = None) -> Totals:
    """Run campaigns until ``rounds`` rounds are done.

    :param outbox: ``sqlite`` or ``postgresql``.
    :param keep: the folder for the files of a failed campaign.
    :raises Violation: at the first violation, after printing how to replay it.
    """
    totals = Totals()
    with tempfile.TemporaryDirectory(prefix="tablero-chaos-") as name:
        folder = Path(name)
        databases: Databases = PostgresDatabases() if outbox == "postgresql" else SqliteFiles()
        dashboard = DashboardServer(folder / "dashboard.db")
        try:
            while totals.rounds < rounds:
                length = min(ROUNDS, rounds - totals.rounds)
                _campaign(seed, length, outbox, databases, dashboard, folder, totals, say, keep)
                seed += 1
        finally:
            dashboard.close()
            databases.close()
    return totals


def _campaign(
    seed: int,
    rounds: int,
    outbox: str,
    databases: Databases,
    dashboard: DashboardServer,
    folder: Path,
    totals: Totals,
    say: Say,
    keep: Path | None,
) -> None:
    place = folder / str(seed)
    place.mkdir()

    def watch(seen: Round) -> None:
        say(f"{outbox} seed {seed} {seen}")

    try:
        Campaign(seed, databases, dashboard, place, totals).run(rounds, watch)
    except Violation as violation:
        say(f"\nVIOLATION, {outbox}, seed {seed}:")
        for complaint in violation.complaints:
            say(f"  - {complaint}")
        say(f"Replay: PYTHONPATH=plugins:. python -m tests.chaos.run --outbox {outbox} --seed {seed} --rounds {rounds}")
        if keep is not None:
            kept = Path(shutil.copytree(place, keep / f"{outbox}-{seed}", dirs_exist_ok=True))
            shutil.copy(dashboard.handle.database, kept)
            say(f"Its files: {kept}")
        raise
    shutil.rmtree(place)


def report(totals: Totals, seconds: float) -> list[str]:
    """The tables at the end, line by line."""
    outcomes = sorted({outcome for _, outcome in totals.outcomes})
    by_fault: dict[str, Counter[str]] = {}
    for (fault, outcome), count in totals.outcomes.items():
        by_fault.setdefault(fault, Counter())[outcome] += count
    lines = [f"{'calls that met':24}" + "".join(f"{outcome:>12}" for outcome in outcomes)]
    for fault in sorted(by_fault):
        lines.append(f"{fault:24}" + "".join(f"{by_fault[fault][outcome]:12}" for outcome in outcomes))
    lines.append("")
    lines.append("happened: " + _listed(totals.events))
    lines.append("tasks ended with: " + _listed(totals.errors))
    lines.append("rows: " + _listed(totals.rows))
    lines.append("rows at the dashboard: " + ", ".join(f"{n} {k} times" for k, n in sorted(totals.repeats.items())))
    again = sum((times - 1) * rows for times, rows in totals.repeats.items())
    lines.append(
        f"came again {again} times, after calls recorded as unknown: {totals.explanations.total()}, which met "
        + _listed(totals.explanations)
    )
    lines.append(f"{totals.rounds} rounds in {seconds:.0f} s; every rule held")
    return lines


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 0 if every rule held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="rounds for each kind of outbox (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first campaign (default %(default)s)")
    parser.add_argument("--outbox", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--keep", type=Path, help="folder for the files of a campaign in which something is wrong")
    options = parser.parse_args(arguments)
    for outbox in ("sqlite", "postgresql") if options.outbox == "both" else (options.outbox,):
        began = time.monotonic()
        try:
            totals = chaos(options.rounds, options.seed, outbox, _say, keep=options.keep)
        except Violation:
            return 1
        _say(f"\n{outbox}")
        for line in report(totals, time.monotonic() - began):
            _say(line)
        _say("")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
