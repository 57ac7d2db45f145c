"""The proof: the state of every row in the outbox, compared with the institution's rows and with what the dashboard received.

Read with plain SQL from outside, so that the proof does not rely on the code that it checks.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sandbox.institution import Summary
from sandbox.memory import summarise

_RECONCILIATIONS = """
select label, rows_read, delivered, rejected, excluded, duplicates, pending, recount, settled
  from reconciliation
 where id in (select max(id) from reconciliation where run_id = ? group by window_start)
 order by window_start
"""
_PROGRESS = """
select (select count(distinct window_start)
          from extraction e
         where e.run_id = :run_id and e.finished_at is not null and e.kind <> 'undated'
           and not exists (select 1 from batch b where b.extraction_id = e.id and b.state = 'pending')),
       (select coalesce(sum(b.rows), 0)
          from attempt a join batch b on b.id = a.batch_id
         where a.run_id = :run_id and a.outcome = 'delivered')
"""
_DELIVERED = "select coalesce(sum(rows), 0) from batch where state = 'delivered'"


@dataclass
class Account:
    """The states of the rows of one or more windows.

    :ivar label: ``2022-03``, ``2022-03-14``, ``2022``.
    :ivar settled: whether ``reconcile`` found that every row is accounted for.
    """

    label: str
    read: int = 0
    delivered: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    excluded: int = 0
    duplicates: int = 0
    pending: int = 0
    recount: int = 0
    settled: bool = True

    @property
    def closes(self) -> bool:
        """Whether every row is settled and the sum matches."""
        ended = self.delivered + self.rejected.total() + self.excluded + self.duplicates
        return self.settled and self.pending == 0 and self.read == ended == self.recount

    def __add__(self, other: Account) -> Account:
        return Account(
            self.label,
            self.read + other.read,
            self.delivered + other.delivered,
            self.rejected + other.rejected,
            self.excluded + other.excluded,
            self.duplicates + other.duplicates,
            self.pending + other.pending,
            self.recount + other.recount,
            self.settled and other.settled,
        )


class Progress(NamedTuple):
    """The progress of a run.

    :ivar windows: months or days that are read and have nothing pending.
    :ivar rows: acknowledged in this run.
    """

    windows: int = 0
    rows: int = 0


class Outbox:
    """The outbox's file, opened read-only.

    :param file: need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def progress(self, run_id: str) -> Progress:
        """The progress of a run; zero while there is no outbox yet."""
        try:
            with self._reading() as connection:
                return Progress(*connection.execute(_PROGRESS, {"run_id": run_id}).fetchone())
        except sqlite3.OperationalError:
            return Progress()

    def accounts(self, run_id: str) -> list[Account]:
        """What ``reconcile`` found in a run, by window."""
        with self._reading() as connection:
            return [_account(row) for row in connection.execute(_RECONCILIATIONS, (run_id,))]

    def delivered(self) -> int:
        """The total of rows acknowledged by the dashboard."""
        with self._reading() as connection:
            return int(connection.execute(_DELIVERED).fetchone()[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"{self._file.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            yield connection


def _account(row: tuple[Any, ...]) -> Account:
    label, read, delivered, rejected, excluded, duplicates, pending, recount, settled = row
    reasons = Counter(json.loads(rejected))
    return Account(label, read, delivered, reasons, excluded, duplicates, pending, recount or 0, bool(settled))


def by_year(months: Iterable[Account]) -> list[Account]:
    """Accounts of months, summed by year; what lies in no month has a line of its own."""
    years: dict[str, Account] = {}
    for month in months:
        year = month.label.partition("-")[0]
        years[year] = years.get(year, Account(year)) + month
    return list(years.values())


class Finding(NamedTuple):
    """One statement of the proof, and whether it holds."""

    holds: bool
    text: str


def prove(
    months: Account, day: Account, *, in_source: int, delivered: int, summary: Summary, dashboard: dict[str, Any]
) -> list[Finding]:
    """Compare the accounts with both ends.

    :param months: the result of the historical load, summed.
    :param day: the result of the daily send.
    :param in_source: rows in the institution's view now, counted there.
    :param delivered: rows acknowledged, from the outbox.
    :param summary: what the generator put into the view.
    :param dashboard: the sandbox's totals, with ``distinct_entries``.
    """
    set_aside = (months.rejected.total(), months.excluded, months.duplicates)
    arrived, distinct = dashboard["entries_accepted"], dashboard["distinct_entries"]
    sums = " + ".join(f"{number:,}" for number in (delivered, *set_aside))
    return [
        Finding(months.closes, f"Carga histórica: cada mes cuadra / Historical load: every month settled ({months.read:,})"),
        Finding(day.closes, f"Envío diario: {day.label} cuadra / Daily send: {day.label} settled ({day.read:,})"),
        Finding(
            months.rejected == summary.wrong and (months.excluded, months.duplicates) == (summary.excluded, summary.duplicates),
            "Apartadas exactamente las filas malas, por su motivo / Set aside: exactly the bad rows, by their reason",
        ),
        Finding(
            arrived == distinct == summary.valid and not dashboard["violations"],
            "El tablero tiene cada fila válida una sola vez / The dashboard holds each valid row just once"
            f"\n  {summary.valid:,} válidas/valid, {arrived:,} recibidas/received, {distinct:,} distintas/distinct",
        ),
        Finding(
            in_source == delivered + sum(set_aside),
            "leídas = entregadas + rechazadas + excluidas + duplicadas / read = delivered + rejected + excluded + duplicates"
            f"\n  {in_source:,} = {sums}",
        ),
    ]


def received(database: Path) -> dict[str, Any]:
    """The sandbox's totals, from its file."""
    return summarise(database, distinct=True)
