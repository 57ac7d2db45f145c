"""Nights between which an adversary does what it likes: whatever it is, every row is sent, refused or reported."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.airflow.alerts import channels
from tablero.contract.reasons import Reason
from tablero.contract.rules import Excluded, Rejected, validator
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import local_day
from tablero.delivery.health.degraded import CONDITIONS
from tablero.outbox.engine import connect, reading
from tablero.outbox.reports.rejections import count_by_reason
from tablero.outbox.requeue import Filter
from tablero.outbox.upgrade import migrate
from tablero.web.status import Health, status

from tests.airflow_units.random_nights import Run, World, content
from tests.integration.institution import VIEW
from tests.integration.samples import contents

#: More of them, on demand: ``TABLERO_SEEDS=100-400 pytest tests/airflow_units/test_random_nights.py``.
_FIRST, _, _LAST = os.environ.get("TABLERO_SEEDS", "1-3").partition("-")
SEEDS = range(int(_FIRST), int(_LAST or _FIRST) + 1)

#: Within the nights that follow each, clocks change or a year ends.
BEGINNINGS = [date(2026, 2, 20), date(2026, 3, 10), date(2026, 10, 5), date(2026, 12, 1)]

ZONES = ["America/Santo_Domingo", "America/New_York", "America/Havana", "Europe/Madrid"]

NIGHTS = 30

_DAY = timedelta(days=1)


class Adversary:
    """Does something to the world between two nights.

    :ivar day: the civil day of work that follows.
    """

    def __init__(self, world: World, chance: random.Random, first: date) -> None:
        self.world = world
        self.chance = chance
        self.first = self.day = first
        self.story: list[str] = []
        self.resent: Counter[Any] = Counter()
        self.zones = {world.settings.timezone.name}
        self.taken_away: list[tuple[Any, ...]] = []
        self._number = 0
        self._ends: dict[str, date] = {}

    def act(self) -> None:
        """A day of work, and one or two of all that can happen."""
        self._end_what_lasts()
        for _ in range(self.chance.choice([0, 1, 1, 2])):
            act = self.chance.choice(self._acts)
            self.story.append(f"{self.day} {act.__name__}")
            act(self)
        if "source_is_empty" not in self._ends:
            self.work(self.chance.randint(4, 12))
        self.day += _DAY

    def saw(self, run: Run) -> None:
        """Keep how a night ended, for whoever reads of a failure of this test."""
        self.story.append(f"{run.run_id} {'green' if run.is_green else f'red: {str(run.error)[:160]}'}")

    @property
    def outbox_fails(self) -> bool:
        return bool({"outbox_is_away", "disk_is_full"} & self._ends.keys())

    def make_peace(self) -> None:
        """Everything works again, and each month is proved each night; what was refused stays refused."""
        for name in list(self._ends):
            self._end(name)
        self.world.given |= {"audit_months": 120, "earliest": "2020-01-01", "batch_size": 10, "lookback_days": 3}

    # -- the institution's work ------------------------------------------------------------------------------------------

    def change(self, day: date) -> StatusChange:
        """A status change of a day of one of the requests."""
        self._number += 1
        at = datetime.combine(day, time(12, self._number % 60, self._number % 59), timezone.utc)
        opened = datetime.combine(self.first - 20 * _DAY, time(12), timezone.utc)
        request = f"R-{self.chance.randint(1, 60):03}" if self.chance.random() < 0.5 else f"N-{self._number:05}"
        return StatusChange(self.chance.choice(["1041", "1042"]), request, opened, self.chance.randint(1, 5), at)

    def work(self, rows: int) -> None:
        self.enter(self.change(self.day) for _ in range(rows))

    def enter(self, rows: Any) -> None:
        if entered := list(rows):
            self.world.institution.add(entered)

    def rows(self) -> list[tuple[Any, ...]]:
        with self.world.institution.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(f"select rowid, * from {VIEW}")]

    def delete(self, rows: list[tuple[Any, ...]]) -> None:
        with self.world.institution.engine.begin() as connection:
            for row in rows:
                connection.exec_driver_sql(f"delete from {VIEW} where rowid = ?", (row[0],))

    def some(self, most: int = 3) -> list[tuple[Any, ...]]:
        rows = self.rows()
        return self.chance.sample(rows, min(len(rows), self.chance.randint(1, most)))

    def any_day(self) -> date:
        return self.first + self.chance.randint(0, max(0, (self.day - self.first).days)) * _DAY

    # -- what it does ----------------------------------------------------------------------------------------------------

    def enter_late(self) -> None:
        self.enter([self.change(self.any_day())])

    def withdraw(self) -> None:
        gone = self.some()
        self.taken_away += [row[1:] for row in gone]
        self.delete(gone)

    def bring_back(self) -> None:
        back, self.taken_away = self.taken_away[:3], self.taken_away[3:]
        self.enter(back)

    def move(self) -> None:
        moved = self.some()
        self.delete(moved)
        self.enter((*row[1:5], self.change(self.any_day()).last_modified_date) for row in moved)

    def correct(self) -> None:
        wrong = self.some()
        self.delete(wrong)
        self.enter((*row[1:4], self.chance.randint(1, 7), row[5]) for row in wrong)

    def repeat(self) -> None:
        self.enter(row[1:] for row in self.some())

    def break_rows(self) -> None:
        row = self.change(self.day)
        broken = [(*row[:3], 99, row[4]), (None, *row[1:]), (*row[:4], None), (*row[:4], "2062-01-01")]
        self.enter(self.chance.sample(broken, 2))

    def refuse_some(self) -> None:
        self.world.dashboard.bad.add(f"R-{self.chance.randint(1, 60):03}")

    def empty_source(self) -> None:
        if "source_is_empty" not in self._ends:
            self._kept = self.rows()
            self.delete(self._kept)
            self._lasts("source_is_empty")

    def source_is_down(self) -> None:
        self.world.source_is_down = True
        self._lasts("source_is_down")

    def dashboard_fails(self) -> None:
        self.world.dashboard.mode = self.chance.choice(["down", "forbidden", "refusing", "crashing", "losing", "flapping"])
        self.story[-1] += f" {self.world.dashboard.mode}"
        self._lasts("dashboard_fails")

    def disk_is_full(self) -> None:
        self.world.fill_disk(self.chance.choice([0, 1, 3]))
        self._lasts("disk_is_full")

    def outbox_is_away(self) -> None:
        self.world.outbox_is_away = True
        self._lasts("outbox_is_away")

    def channel_fails(self) -> None:
        self.world.broken = {self.chance.choice([channels.MAIL, channels.WEBHOOK])}
        self._lasts("channel_fails")

    def change_settings(self) -> None:
        changes: dict[str, list[Any]] = {
            "daily_at": ["00:00", "00:30", "02:00", "02:30", "05:00"],
            "timezone": ZONES,
            "earliest": ["2020-01-01", str(self.any_day())],
            "lookback_days": [0, 1, 3, 10],
            "audit_months": [0, 1, 12],
            "batch_size": [1, 3, 10, 1000],
            "digest": ["daily", "weekly", "monthly"],
        }
        key = self.chance.choice(list(changes))
        self.world.given[key] = self.chance.choice(changes[key])
        self.zones.add(self.world.settings.timezone.name)
        self.story[-1] += f" {key}={self.world.given[key]}"

    def clear_runs(self) -> None:
        for run in self.chance.sample(self.world.runs, min(len(self.world.runs), self.chance.randint(1, 3))):
            self.story[-1] += f" {run.run_id}"
            self.world.execute(run)

    def run_by_hand(self) -> None:
        day = self.any_day()
        if day >= self.day or day < self.world.settings.earliest:
            return
        conf = self.chance.choice([{}, {"dry_run": True}, {"resend": True}])
        self.story[-1] += f" {day} {conf}"
        if "resend" in conf:
            self.resent.update({content(row) for _, rows in contents(self.world.engine) for row in rows})
        self.world.by_hand(day=str(day), **conf)

    def pause(self) -> None:
        days = self.chance.choice([1, 3, 9, 40, 60])
        self.story[-1] += f" {days}"
        for _ in range(days):
            if "source_is_empty" not in self._ends:
                self.work(self.chance.randint(0, 4))
            self.day += _DAY
        self.world.now = max(self.world.now, datetime.combine(self.day, time(7), timezone.utc))

    _acts: tuple[Callable[[Adversary], None], ...] = (
        *(enter_late, withdraw, bring_back, move, correct, repeat, break_rows, refuse_some),
        *(empty_source, source_is_down, dashboard_fails, dashboard_fails, disk_is_full, outbox_is_away, channel_fails),
        *(change_settings, change_settings, clear_runs, run_by_hand, pause),
    )

    def _lasts(self, name: str) -> None:
        self._ends[name] = self.day + self.chance.choice([1, 1, 2, 5, 9]) * _DAY

    def _end_what_lasts(self) -> None:
        for name, end in list(self._ends.items()):
            if end <= self.day:
                self._end(name)

    def _end(self, name: str) -> None:
        del self._ends[name]
        self.story.append(f"{self.day} end of {name}")
        match name:
            case "source_is_empty":
                self.enter(row[1:] for row in self._kept)
            case "source_is_down":
                self.world.source_is_down = False
            case "dashboard_fails":
                self.world.dashboard.mode = "up"
            case "disk_is_full":
                self.world.fill_disk(None)
            case "outbox_is_away":
                self.world.outbox_is_away = False
            case "channel_fails":
                self.world.broken = set()


# -- what must hold ------------------------------------------------------------------------------------------------------


class Judge:
    """What must hold after each night, and in the end."""

    def __init__(self, world: World, adversary: Adversary) -> None:
        self.world = world
        self.adversary = adversary
        self.digests = 0

    def rows(self) -> tuple[set[Any], list[Rejected], list[Excluded]]:
        """The rows of the source: what is to be delivered, and what is not, and why."""
        settings = self.world.settings
        judge = validator(zone=settings.source_zone, earliest=settings.earliest_instant, now=self.world.now)
        judged = [judge(row[1:]) for row in self.adversary.rows()]
        return (
            {content(one) for one in judged if isinstance(one, StatusChange)},
            [one for one in judged if isinstance(one, Rejected)],
            [one for one in judged if isinstance(one, Excluded)],
        )

    def on_record(self) -> dict[Any, str]:
        return {content(row): batch.state for batch, rows in contents(self.world.engine) for row in rows}

    def after(self, run: Run) -> None:
        """A night has ended."""
        if not run.is_green:
            told = [one for one in self.world.decided if one["kind"] in ("failure", "recovery")]
            told = [one for one in told if one["run_id"].startswith("scheduled")]
            assert told, f"red, and no alert: {run.error}"
            assert told[-1]["kind"] == "failure", f"red, and the last that was told is a recovery: {run.error}"
        if self.adversary.outbox_fails:
            return
        states = self.on_record()
        self.sums(states)
        pending = [row for row, state in states.items() if state == "pending"]
        if run.is_green:
            assert not pending, f"green with {len(pending)} rows pending"
            to_deliver, _, _ = self.rows()
            own = {row for row in to_deliver if run.data_interval_start <= row[-1] < run.data_interval_end}
            assert own <= set(states), f"green without {len(own - set(states))} rows of its own day"
        self.once()
        zone = self.world.settings.timezone
        late = datetime.combine(local_day(run.data_interval_end, zone), time(8), zone)
        with reading(self.world.engine) as connection:
            found = status(connection, self.world.settings, max(late.astimezone(timezone.utc), self.world.now))
        if pending or not run.is_green:
            assert found.state is Health.LATE, f"{found.line().en}: {len(pending)} pending, {run.error}"

    def sums(self, states: dict[Any, str]) -> None:
        """The digest of this night, if there is one, has the sums of its days."""
        new, self.digests = self.world.digests[self.digests :], len(self.world.digests)
        zone = self.world.settings.timezone
        if len(self.adversary.zones) > 1:
            return  # a row counts for the day that it had when it was staged
        for digest in new:
            first, last = digest.period.first, digest.period.last
            found = Counter(state for row, state in states.items() if first <= local_day(row[-1], zone) <= last)
            assert (digest.delivered, digest.pending) == (found["delivered"], found["pending"]), digest.period

    def once(self) -> None:
        """Nothing is stored twice, told twice, or reported as over twice."""
        server = self.world.dashboard
        for row, times in server.stored.items():
            allowed = 1 + server.doubtful[row] + self.adversary.resent[row]
            assert times <= allowed, f"{row} was stored {times} times"
        told = Counter(str(one | {"since": None}) for one in self.world.decided)
        assert [one for one, times in told.items() if times > 1] == []
        for channel, messages in self.world.received.items():
            arrived = Counter(str(message.json) for message in messages)
            assert [one for one, times in arrived.items() if times > 1] == [], channel
        open_causes: set[str] = set()
        failing = False
        for one in self.world.decided:
            if not one["run_id"].startswith("scheduled"):
                continue
            conditions = {cause.value for cause in CONDITIONS}
            for cause in dict.fromkeys(found["cause"] for found in one["degraded"]):
                if cause in conditions:
                    assert cause not in open_causes, f"{cause} was told again by {one['run_id']}"
                    open_causes.add(cause)
            over = set(one["over"])
            assert over <= open_causes, f"{over - open_causes} over, and never told"
            open_causes -= over
            if one["kind"] == "recovery":
                assert failing, f"{one['run_id']} recovered, and nothing was told"
                failing = False
            if one["kind"] == "failure":
                failing = True
        labels = Counter(digest.period.label for digest in self.world.digests)
        assert not [label for label, times in labels.items() if times > 1], labels

    def in_the_end(self, last: Run) -> None:
        """After quiet nights everything is settled."""
        assert last.is_green, last.error
        to_deliver, rejected, _ = self.rows()
        states = self.on_record()
        open_rows = {row: states.get(row) for row in to_deliver if states.get(row) not in ("delivered", "refused")}
        assert not open_rows, f"{len(open_rows)} rows: {list(open_rows.items())[:3]}"
        for row in to_deliver:
            assert states[row] == "refused" or self.world.dashboard.stored[row], f"{row} counts as delivered"
        assert not [row for row, state in states.items() if state == "pending"]
        with reading(self.world.engine) as connection:
            by_reason = count_by_reason(connection, Filter())
            found = status(connection, self.world.settings, self.world.now)
        reasons = {one.row: one.reason for one in rejected if one.reason is not Reason.IN_THE_FUTURE}  # a repetition is one
        expected = Counter(reason.value for reason in reasons.values())
        expected[Reason.REFUSED_BY_DASHBOARD.value] = sum(states[row] == "refused" for row in to_deliver)
        assert Counter(by_reason) == +expected
        assert found.state in (Health.OK, Health.DEGRADED), found.line().en


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Engine]:
    """An empty outbox, none of whose commits has to survive a power cut."""
    engine = connect(f"sqlite:///{tmp_path}/outbox.db")
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_every_row_is_sent_or_reported(
    seed: int, outbox: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each night what must hold holds; after five quiet ones everything is delivered, refused or withdrawn, once."""
    chance = random.Random(seed)
    first = chance.choice(BEGINNINGS)
    given = {
        "timezone": chance.choice(ZONES),
        "source_timezone": "UTC",
        "batch_size": 10,
        "concurrency": 1,
        "connect_timeout": "0.2",
        "read_timeout": "0.2",
        "digest": chance.choice(["daily", "weekly", "monthly"]),
        "alert_emails": "operations@example.org",
        "alert_webhook_conn_id": "hook",
        "heartbeat_conn_id": "monitor",
        "audit_months": chance.choice([0, 1, 3]),
    }
    world = World(outbox, tmp_path, chance, first, given)
    world.install(monkeypatch)
    adversary = Adversary(world, chance, first)
    judge = Judge(world, adversary)
    try:
        for _ in range(NIGHTS):
            adversary.act()
            run = world.night()
            adversary.saw(run)
            judge.after(run)
        adversary.make_peace()
        for _ in range(5):
            adversary.work(6)
            adversary.day += _DAY
            run = world.night()
            adversary.saw(run)
        judge.in_the_end(run)
        judge.once()
        assert world.beats == world.settled
    except AssertionError:
        print("\n".join(adversary.story[-60:]))  # noqa: T201
        raise
