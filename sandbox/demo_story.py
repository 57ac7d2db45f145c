"""The steps of the demonstration: load the history, enter some late changes, send the day, prove everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from sandbox.demo_airflow import USER, Airflow
from sandbox.demo_api import Api
from sandbox.demo_failure import DemoError
from sandbox.demo_institution import Institution
from sandbox.demo_proof import Account, Outbox, Progress, by_year, prove, received
from sandbox.demo_screen import Screen

HISTORY, DAILY = "historical_load", "daily_send"

_FIRST_YEAR = 2020
_POLL_SECONDS = 1.0

#: Seconds without progress after which a run is given up.
_STALL_SECONDS = 900.0


@dataclass(frozen=True)
class Story:
    """All components, up and running.

    :ivar dashboard: the file in which the sandbox records what it received.
    :ivar today: the institution's civil day.
    """

    institution: Institution
    airflow: Airflow
    api: Api
    outbox: Outbox
    dashboard: Path
    screen: Screen
    today: date

    def run(self) -> bool:
        """Run all steps.

        :returns: whether the proof holds.
        :raises DemoError: if a run fails.
        """
        before = received(self.dashboard)["entries_accepted"]
        self.print_addresses()
        months = self._load_history()
        day = self._send_yesterday()
        return self._prove(months, day, before)

    def print_addresses(self) -> None:
        """Print Airflow's address and account."""
        self.screen.say(
            f"\n  Airflow: {self.airflow.url}   usuario/user: {USER}   clave/password: {self.airflow.password}\n", "bold"
        )

    def _load_history(self) -> list[Account]:
        months = (self.today.year - _FIRST_YEAR) * 12 + self.today.month
        with self.screen.progress("Carga histórica / Historical load", months) as show:
            run_id = self._run(HISTORY, {}, show)
        return self.outbox.accounts(run_id)

    def _send_yesterday(self) -> Account:
        yesterday = self.today - timedelta(days=1)
        late = self.institution.enter_late(yesterday)
        with self.screen.step(f"Envío diario / Daily send {yesterday}: +{late} cambios tardíos / late changes"):
            self.api.pause(DAILY, False)
            run_id = self._run(DAILY, {"day": yesterday.isoformat()}, lambda _: None)
            # The scheduled run, which begins as soon as it is due.
            for other in self.api.unfinished(DAILY):
                self._watch(DAILY, other, lambda _: None)
        (account,) = self.outbox.accounts(run_id)
        return account

    def _run(self, dag_id: str, params: dict[str, str], show: Callable[[Progress], None]) -> str:
        run_id = f"demo_{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        self.api.trigger(dag_id, run_id, params)
        self.api.pause(dag_id, False)
        self._watch(dag_id, run_id, show)
        return run_id

    def _watch(self, dag_id: str, run_id: str, show: Callable[[Progress], None]) -> None:
        last, since = None, time.monotonic()
        while (state := self.api.state(dag_id, run_id)) != "success":
            self.airflow.check()
            progress = self.outbox.progress(run_id)
            show(progress)
            if (state, progress) != last:
                last, since = (state, progress), time.monotonic()
            if state == "failed" or time.monotonic() > since + _STALL_SECONDS:
                raise self._failure(dag_id, run_id, state)
            time.sleep(_POLL_SECONDS)
        show(self.outbox.progress(run_id))

    def _failure(self, dag_id: str, run_id: str, state: str) -> DemoError:
        for wanted in ("failed", "up_for_retry", "running"):
            # The first one is the cause; reconcile fails only as a consequence.
            for task in sorted(self.api.tasks(dag_id, run_id, wanted), key=lambda task: str(task["end_date"])):
                name = f"{task['task_id']} {task['rendered_map_index'] or ''}".strip()
                return DemoError(f"{dag_id}: {name}: {wanted}", self.airflow.log_of(dag_id, run_id, task))
        return DemoError(f"{dag_id}, {run_id}: {state}")

    def _prove(self, months: list[Account], day: Account, before: int) -> bool:
        dashboard = received(self.dashboard)
        findings = prove(
            sum(months, Account("total")),
            day,
            in_source=self.institution.count(),
            delivered=self.outbox.delivered(),
            summary=self.institution.summary(),
            dashboard=dashboard,
        )
        self.screen.say()
        self.screen.accounts(by_year(months), day)
        self.screen.say()
        self.screen.say(
            f"  Recibidas por el tablero en esta ejecución / received by the dashboard this time:"
            f" {dashboard['entries_accepted'] - before:,}; antes/before: {before:,}"
        )
        self.screen.findings(findings)
        return all(finding.holds for finding in findings)
