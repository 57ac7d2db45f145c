"""Two nights of ``daily_send``: one due at once when it is switched on, and one due a little later."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sandbox.dashboard import Row
from tests.airflow.client import Client, wait_for
from tests.airflow.dashboard import Dashboard
from tests.airflow.institution import Change, Institution

DAG = "daily_send"


@dataclass(frozen=True)
class Nights:
    """The contents of source and dashboard at several times.

    :ivar dashboard: with the rows of both nights.
    :ivar first_day: the day of the first run: the day before yesterday.
    :ivar first_run: its id.
    :ivar first_owed: rows that it must deliver: of its day, and of the days before it that it reads for late rows.
    :ivar first_received: what the dashboard had at the end of it.
    :ivar second_day: yesterday, which a manual run has already sent.
    :ivar second_owed: rows committed after their days were read, and rows of days never read, which the
        second run must deliver.
    :ivar second_received: what the dashboard had before it.
    """

    dashboard: Dashboard
    first_day: date
    first_run: str
    first_owed: list[Change]
    first_received: Counter[Row]
    second_day: date
    second_owed: list[Change]
    second_received: Counter[Row]

    @classmethod
    def prepare(cls, airflow: Client, institution: Institution, dashboard: Dashboard, daily_at: datetime) -> Nights:
        """Switch ``daily_send`` on, wait for the first night, and prepare the second one.

        :param daily_at: when that one begins, local time.
        """
        second_day = daily_at.date() - timedelta(days=1)
        first_day = second_day - timedelta(days=1)

        def commit(day: date, back: int, note: str = "") -> list[Change]:
            return institution.day(dashboard.prefix, day - timedelta(days=back), note=note)

        owed = [row for back in (0, 1, 2, 3) for row in commit(first_day, back)]
        unread = [row for back in (20, 31, 32) for row in commit(first_day, back)]  # before the first reading
        commit(second_day, 0)
        airflow.unpause(DAG)
        (run,) = wait_for("daily_send has begun", lambda: airflow.runs(DAG, run_type="scheduled"))
        airflow.wait(DAG, run["dag_run_id"])
        received = dashboard.counts()

        airflow.load(DAG, {"day": str(second_day)})
        airflow.load(DAG, {"day": str(first_day - timedelta(days=40))})  # all between it and the first night is now a gap
        # On a slow machine the second night may become due while it is prepared: it begins when the DAG is switched on again.
        airflow.unpause(DAG, paused=True)
        by_hand = dashboard.counts()
        late = unread + [row for back in (0, 1, 3, 10) for row in commit(second_day, back, "-late")]
        airflow.unpause(DAG)
        return cls(dashboard, first_day, run["dag_run_id"], owed, received, second_day, late, by_hand)
