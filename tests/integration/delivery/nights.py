"""Nights of ``daily_send`` in one process: the use cases in the order in which the tasks call them, on a simulated clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone

from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, day_window
from tablero.delivery import nightly
from tablero.delivery.counting import Counted, compare, count_future, require_whole
from tablero.delivery.health.degraded import EVENTS
from tablero.delivery.health.survey import Scope, survey
from tablero.delivery.planning import EVERYTHING, plan_night
from tablero.delivery.reconciling import Reconciled, reconcile, require_settled
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.errors import TableroError
from tablero.outbox import findings, ledger
from tablero.outbox.alerts import incidents
from tablero.outbox.alerts.incidents import EndedRun
from tablero.outbox.alerts.troubles import cause_of
from tablero.outbox.engine import writing
from tablero.outbox.ledger import Account
from tablero.settings import Settings

from tests.integration.fake_dashboard import Dashboard
from tests.integration.institution import Institution
from tests.integration.samples import ZONE, settings

#: The first of the simulated days.
FIRST = date(2026, 9, 1)

SETTINGS = settings(batch_size=10)


@dataclass
class Night:
    """The result of a night.

    :ivar failed: the errors of its tasks; empty if it is green.
    :ivar alerted: causes of failures and degradations that are alerted in the morning.
    :ivar over: what is reported as over.
    """

    day: date
    failed: list[TableroError] = field(default_factory=list)
    alerted: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)

    @property
    def is_green(self) -> bool:
        return not self.failed


class Nights:
    """An institution, its outbox and the dashboard, over many nights.

    :ivar settings: may be changed between two nights.
    :ivar owed: every status change that the institution wants delivered.
    """

    def __init__(self, engine: Engine, institution: Institution, settings: Settings = SETTINGS) -> None:
        self.engine = engine
        self.settings = settings
        self.institution = institution
        self.dashboard = Dashboard()
        self.owed: Counter[str] = Counter()
        self._number = 0

    def change(self, day: date, *, hour: int = 10, request: str | None = None, status: int = 2) -> StatusChange:
        """A status change of a day."""
        self._number += 1
        at = datetime.combine(day, time(hour), ZONE).astimezone(timezone.utc)
        return StatusChange("1041", request or f"R-{self._number:06}", at - timedelta(hours=2), status, at)

    def enter(self, *changes: StatusChange) -> None:
        """Enter a change into the source, to be delivered once."""
        self.institution.add(changes)
        self.owed.update(change.request_id for change in changes)

    def work(self, day: date, rows: int = 5) -> None:
        """The changes that the institution makes in a day."""
        if rows:
            self.enter(*(self.change(day, hour=8 + number % 10) for number in range(rows)))

    def night(self, day: date) -> Night:
        """The scheduled run after a day: what its tasks do, except the preflight."""
        now = datetime.combine(day + timedelta(days=1), time(2), ZONE).astimezone(timezone.utc)
        run = EndedRun("daily_send", f"scheduled__{now:%Y-%m-%dT%H:%M:%S+00:00}", scheduled=True)
        found, own = Night(day), day_window(day, ZONE)
        source, engine, this_run = self.institution.source, self.engine, Run(run.run_id, lambda: now)
        plan = plan_night(engine, self.settings, own)
        windows, _ = nightly.read(engine, source, self.settings, plan.windows, this_run)
        self._post(found, this_run)

        def send_found(_: object) -> None:
            send(engine, lambda: self.dashboard, self.settings, [EVERYTHING], this_run)

        unsent = [*windows, *plan.audits] if found.failed else []

        def proved(some: Sequence[Window]) -> Reconciled:
            return reconcile(engine, source, self.settings, some, this_run, send=send_found, unsent=unsent)

        def keep(account: Account) -> None:
            ledger.keep(engine, account, run.run_id, now)

        counted = compare(source, proved([*windows, *plan.audits]), proved, keep, is_load=False)
        found.accounts = counted.reconciled.accounts
        self._end(found, counted, run, now, Scope(own, plan.audits, is_night=True))
        return found

    def _post(self, found: Night, run: Run) -> None:
        try:
            send(self.engine, lambda: self.dashboard, self.settings, [EVERYTHING], run)
        except TableroError as error:
            found.failed.append(error)

    def _end(self, found: Night, counted: Counted, run: EndedRun, now: datetime, scope: Scope) -> None:
        proof = counted.reconciled
        unusual = survey(
            self.engine,
            self.settings,
            proof.accounts,
            scope,
            run_id=run.run_id,
            uncounted=counted.uncounted,
            future=count_future(self.institution.source, now),
        )
        findings.keep_degradations(self.engine, run.dag_id, run.run_id, unusual, now=now)
        try:
            if proof.failure is not None:
                raise proof.failure
            require_whole(counted)
            require_settled(proof.accounts)
        except TableroError as error:
            found.failed.append(error)
        causes_found = list(dict.fromkeys(one.cause for one in unusual))
        with writing(self.engine) as connection:
            new, over = incidents.run_degraded(
                connection, run, causes_found, events=EVENTS, is_complete=not found.failed, now=now
            )
            found.alerted += new
            found.over += over
            if found.failed:
                causes = {cause_of(error): True for error in found.failed}
                found.alerted += incidents.run_failed(connection, run, causes=causes, threshold=1, now=now).causes
            elif incidents.run_succeeded(connection, run, now=now):
                found.over.append("failure")

    def all(self, first: int, count: int, *, rows: int = 5) -> list[Night]:
        """Days of work, each followed by its night.

        :param first: number of the first day, from 0.
        """
        nights = []
        for day in days(first, count):
            self.work(day, rows)
            nights.append(self.night(day))
        return nights

    @property
    def missing(self) -> set[str]:
        """Requests that the dashboard does not have."""
        return set(self.owed) - set(self.dashboard.accepted)

    @property
    def repeated(self) -> set[str]:
        """Requests of which the dashboard accepted more entries than there are changes."""
        return {request for request, times in self.dashboard.accepted.items() if times > self.owed[request]}


def days(first: int, count: int) -> list[date]:
    """That many days, starting with number ``first``."""
    return [FIRST + timedelta(days=first + number) for number in range(count)]
