"""A campaign: one outbox, one institution and one dashboard through several rounds of faults, and a last round without any."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from multiprocessing.connection import wait
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.delivery.planning import plan_day, plan_history
from tablero.outbox.engine import connect
from tablero.outbox.schema import batch
from tablero.outbox.upgrade import migrate
from tablero.settings import Settings
from tablero.texts import delivery as texts

from sandbox.settings import DEFAULT_CLIENT
from tests.chaos import checks, faults, worker
from tests.chaos.checks import Evidence
from tests.chaos.institution import AFTER_LAST_DAY, FIRST_DAY, OFFSET, Institution
from tests.chaos.servers import DashboardServer, Databases
from tests.chaos.worker import MOMENTS, Job, Worker
from tests.waiting import PATIENCE

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 1.0

#: Rows in a call: few, so that a few hundred rows need many calls.
BATCH_SIZE = 20

#: How far, in seconds, the clock of a worker can be off; leases use the outbox's clock.
_OFF = (-300, 90, 300)

#: How far clocks advance between rounds, in seconds.
_BETWEEN_ROUNDS = 180

#: Seconds for which a worker is frozen: longer than its lease lasts.
_FROZEN = 4.0

#: Tries of the last round; each may find something that only a pass reveals.
_LAST_TRIES = 4

#: In a worker's log if the outbox was unavailable while answers were unrecorded.
_KEPT = texts.OUTBOX_STILL_UNAVAILABLE.en.partition("{answers}")[2].partition("{")[0].strip()

#: Errors that only a wrong installation causes; in a campaign they are always a bug.
_UNCALLED_FOR = ("SettingsError", "SetupError", "ParameterError")


class Violation(Exception):
    """Something happened that must never happen.

    :ivar complaints: what happened.
    """

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


@dataclass
class Round:
    """What happened in a round, for display."""

    number: int
    kind: str
    workers: int
    events: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    states: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        happened = " ".join(f"{name}×{count}" if count > 1 else name for name, count in sorted(self.events.items())) or "-"
        rows = " ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return f"round {self.number:2} {self.kind:6} {self.workers} workers {self.seconds:4.1f} s | {rows} | {happened}"


@dataclass
class Totals:
    """Totals of campaigns.

    :ivar outcomes: of attempts, by the fault that affected their call (``-``: none; ``not received``: no call arrived).
    :ivar events: deaths and changes of the source.
    :ivar errors: that tasks ended with, by class.
    :ivar repeats: rows that reached the dashboard, by how often.
    :ivar explanations: of each repeat: the fault that affected the call before (``-``: nothing; its worker died).
    """

    rounds: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    repeats: Counter[int] = field(default_factory=Counter)
    explanations: Counter[str] = field(default_factory=Counter)


class Campaign:
    """Everything in it is determined by ``seed``, except the machine's own timing.

    :param folder: for its files; kept if something is wrong.
    """

    def __init__(self, seed: int, databases: Databases, dashboard: DashboardServer, folder: Path, totals: Totals) -> None:
        self._rng = random.Random(seed)
        self._seed = seed
        self._databases = databases
        self._dashboard = dashboard
        self._folder = folder
        self._totals = totals
        self._began = time.monotonic()
        self._now = (AFTER_LAST_DAY + OFFSET + timedelta(hours=2)).replace(tzinfo=timezone.utc)
        self._institution = Institution(
            folder / "source.db", self._rng, rows=self._rng.randint(50, 350), busiest=int(BATCH_SIZE * 2.5)
        )
        self._outbox_url = databases.new(folder, f"outbox_{seed}")
        self._settings = {
            "xroad_client": DEFAULT_CLIENT,
            "batch_size": str(BATCH_SIZE),
            "concurrency": str(self._rng.choice((1, 2, 4))),
            "group_by_service": str(self._rng.random() < 0.3),
            "lookback_days": "2",
            "connect_timeout": str(CONNECT_TIMEOUT),
            "read_timeout": str(READ_TIMEOUT),
        }
        self._refusals = faults.refusals(self._rng)
        self._by_size = faults.by_size(self._rng)
        dashboard.handle.reset()
        dashboard.handle.settings(
            generation=self._rng.choice(("7.2", "7.8")),
            mixed=self._rng.random() < 0.3,
            vague_messages=self._rng.random() < 0.3,
            max_entries=self._rng.choice((1000, 1000, 15)),
            repeats=self._rng.choice(("taken", "taken", "conflict")),
        )

    def run(self, rounds: int, watch: Callable[[Round], None]) -> None:
        """Run all rounds, the last one without faults.

        :raises Violation: at the end of the round in which something was wrong.
        """
        for number in range(1, rounds):
            watch(self._round(number))
        watch(self._last_round(rounds))
        evidence = self._evidence()
        self._totals.rows += evidence.states()
        self._totals.repeats += Counter(len(calls) for calls in evidence.holders.values())
        self._totals.explanations.update(evidence.explanations())
        by_message = {call["x_road_id"]: call["fault"] or "-" for call in evidence.calls.values()}
        for attempt in evidence.attempts:
            self._totals.outcomes[by_message.get(attempt.message_id, "not received"), attempt.outcome] += 1

    def _round(self, number: int) -> Round:
        rng = self._rng
        seen = Round(number, rng.choice(("months", "day")), rng.choice((1, 2)))
        self._happen(seen, self._institution.change() if rng.random() < 0.9 else None)
        drawn = faults.draw(rng, read_timeout=READ_TIMEOUT)
        if rng.random() < 0.08:
            after = random.Random(f"{self._seed}-{number}").choice((0, 0, 4, 8, 12, 16))
            drawn = faults.whole_night(rng, after)
            self._happen(seen, "a night of refusals" if not after else "a night that turns into refusals")
        self._dashboard.arm([*self._refusals, *drawn, *self._by_size], rng.randint(0, 2**31))
        jobs = self._jobs(number, seen)
        self._go(seen, jobs, self._plan_of_events(seen))
        for armed in self._dashboard.handle.faults():
            seen.events[armed["kind"]] += armed["fired"]
        seen.events += Counter()
        return seen

    def _last_round(self, number: int) -> Round:
        """Everything is run once more without faults; then everything must be settled."""
        seen = Round(number, "last", 1)
        if self._rng.random() < 0.5:
            self._refusals = []
        self._dashboard.arm(self._refusals, 0)
        self._dashboard.handle.settings(max_entries=1000)
        # Without a fault no call times out, however busy the machine.
        self._settings |= {"connect_timeout": str(PATIENCE), "read_timeout": str(PATIENCE)}
        months, day = (
            self._job(f"{number}-{kind}", kind, tries=_LAST_TRIES, windows=self._plan(kind), margin=PATIENCE)
            for kind in ("months", "day")
        )
        for job in (months, day):
            (run,) = self._go(seen, [job], [])
            unsettled = [label for label, ok in _proofs(run).items() if not ok]
            if unsettled or not _proofs(run):
                words = [f"{name}: {text}" for name, text in run.events("error")]
                raise Violation([f"{job.name} does not settle {unsettled or 'anything'} though nothing is in its way", *words])
        self._complain(checks.settled(self._evidence(), self._institution))
        return seen

    def _plan(self, kind: str) -> list[Window]:
        settings = Settings.read(self._settings)
        if kind == "months":
            return plan_history(settings, start_month=f"{FIRST_DAY:%Y-%m}", end_month=None, now=self._clock())
        yesterday: date = (AFTER_LAST_DAY - timedelta(days=1)).date()
        return [plan_day(settings, yesterday.isoformat(), now=self._clock())]

    def _jobs(self, number: int, seen: Round) -> list[Job]:
        """Two workers share the months, or work on the same windows at once."""
        windows = self._plan(seen.kind)
        shares = [windows] * seen.workers
        if seen.workers == 2 and seen.kind == "months" and self._rng.random() < 0.4:
            shares = [windows[::2], windows[1::2]]
        jobs = []
        for index, share in enumerate(shares):
            death = (self._rng.choice(MOMENTS), self._rng.randint(1, 30)) if self._rng.random() < 0.35 else None
            cut = self._rng.randint(1, 100) if self._rng.random() < 0.4 else None
            name = f"{number}-{seen.kind}-{index}"
            if index == 1 and self._rng.random() < 0.3:
                ahead = self._rng.choice(_OFF)
                self._happen(seen, "clock off")
            else:
                ahead = 0
            jobs.append(
                self._job(name, seen.kind, death=death, cut=cut, tries=self._rng.randint(1, 3), windows=share, ahead=ahead)
            )
        return jobs

    def _job(
        self,
        name: str,
        kind: str,
        *,
        tries: int,
        windows: list[Window],
        death: tuple[str, int] | None = None,
        cut: int | None = None,
        ahead: float = 0,
        margin: float = 1,  # a frozen worker must wake up after its lease has ended
    ) -> Job:
        return Job(
            name=name,
            outbox=self._outbox_url,
            source=self._institution.path,
            api=self._dashboard.handle.url,
            settings=self._settings,
            windows=[window.to_json() for window in windows],
            healing=kind == "day",
            tries=tries,
            now=self._clock() + timedelta(seconds=ahead),
            started=time.monotonic(),
            death=death,
            cut=cut,
            margin=margin,
            log=self._folder / f"{name}.log",
        )

    def _plan_of_events(self, seen: Round) -> list[tuple[float, str]]:
        """What happens to the servers, the source and the workers during a round, and after how many seconds."""
        rng = self._rng
        planned = [(rng.uniform(0, 0.6), "source")] * (rng.random() < 0.3)
        planned += [(rng.uniform(0.02, 1.0), f"worker {index}") for index in range(seen.workers) if rng.random() < 0.2]
        if rng.random() < 0.15:
            frozen, index = rng.uniform(0.02, 0.6), rng.randrange(seen.workers)
            planned += [(frozen, f"freeze {index}"), (frozen + _FROZEN, f"thaw {index}")]
        planned += [(rng.uniform(0.02, 0.6), "dashboard")] * (rng.random() < 0.12)
        if rng.random() < 0.25:
            away = rng.uniform(0, 0.5)
            planned += [(away, "source goes away"), (away + rng.uniform(0.05, 0.6), "source comes back")]
        planned += [(rng.uniform(0.02, 0.6), "database")] * (self._databases.mortal and rng.random() < 0.2)
        if not self._databases.mortal and rng.random() < 0.2:
            away = rng.uniform(0.05, 0.8)
            planned += [(away, "outbox goes away"), (away + rng.uniform(0.2, 5.0), "outbox comes back")]
        return sorted(planned)

    def _go(self, seen: Round, jobs: list[Job], planned: list[tuple[float, str]]) -> list[Worker]:
        """Run workers and events to their end, then check what they left behind."""
        began = time.monotonic()
        self._dashboard_deaths = 0
        runs = [worker.start(job) for job in jobs]
        try:
            self._events(seen, runs, planned, began)
        finally:
            for run in runs:
                run.process.kill()
                run.process.join()
            self._institution.come_back()
            self._databases.come_back()
            self._end_leases()
        for run in runs:
            for _ in run.events("cut"):
                self._happen(seen, "reading cut off")
            if run.job.log.exists() and _KEPT in run.job.log.read_text():
                self._happen(seen, "answers in hand kept")
        for run in runs:
            self._happen(seen, None if run.finished else "worker killed")
        self._dashboard.quieten()
        evidence = self._evidence()
        seen.seconds += time.monotonic() - began
        seen.states = evidence.states()
        seen.events += Counter()
        self._totals.rounds += jobs == [] or not jobs[0].name.endswith("-months")
        self._totals.errors.update(name for run in runs for name, _ in run.events("error"))
        self._complain(self._complaints(evidence, runs))
        self._now += timedelta(seconds=_BETWEEN_ROUNDS)
        return runs

    def _events(self, seen: Round, runs: list[Worker], planned: list[tuple[float, str]], began: float) -> None:
        while living := [run for run in runs if run.process.is_alive()]:
            elapsed = time.monotonic() - began
            if elapsed > PATIENCE:
                raise Violation([f"{run.job.name} still runs after {PATIENCE:g} s" for run in living])
            if planned and planned[0][0] <= elapsed:
                self._befall(seen, runs, planned.pop(0)[1])
                continue
            timeout = min(planned[0][0] - elapsed if planned else 1.0, 1.0)
            wait(
                [run.connection for run in living if not run.connection.closed] + [run.process.sentinel for run in living],
                timeout,
            )
            for run in runs:
                run.listen()

    def _befall(self, seen: Round, runs: list[Worker], what: str) -> None:
        if what == "source":
            self._happen(seen, self._institution.change())
        elif what == "source goes away":
            self._institution.go_away()
            self._happen(seen, "source away")
        elif what == "source comes back":
            self._institution.come_back()
        elif what == "dashboard":
            self._dashboard.die(self._rng.uniform(0, 0.3))
            self._happen(seen, "dashboard killed")
        elif what == "outbox goes away":
            self._happen(seen, self._databases.go_away(self._outbox_url))
        elif what == "outbox comes back":
            self._databases.come_back()
        elif what == "database":
            self._databases.die()
            self._happen(seen, "database killed")
        elif what.startswith("worker "):
            runs[int(what.removeprefix("worker "))].process.kill()
        else:
            kind, _, index = what.partition(" ")
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(runs[int(index)].process.pid or 0, signal.SIGSTOP if kind == "freeze" else signal.SIGCONT)
            self._happen(seen, "worker frozen" if kind == "freeze" else None)

    def _happen(self, seen: Round, what: str | None) -> None:
        if what:
            seen.events[what] += 1
            self._totals.events[what] += 1

    def _complaints(self, evidence: Evidence, runs: list[Worker]) -> Iterator[str]:
        for run in runs:
            yield from (f"{run.job.name}: {text}" for (text,) in run.events("bug"))
            yield from (f"{run.job.name}: {name}: {text}" for name, text in run.events("error") if name in _UNCALLED_FOR)
        engine = connect(self._outbox_url)
        try:
            yield from checks.standing(evidence, engine, self._institution)
        finally:
            engine.dispose()
        for run in runs:
            for data, began in run.events("staged"):
                if began > self._institution.changed_at:
                    yield from checks.window(evidence, self._institution, Window.from_json(data))

    def _end_leases(self) -> None:
        """End the leases of dead workers without waiting."""
        engine = connect(self._outbox_url)
        try:
            migrate(engine)
            with engine.begin() as connection:
                connection.execute(sa.update(batch).values(claimed_until=None))
        finally:
            engine.dispose()

    def _evidence(self) -> Evidence:
        engine: Engine = connect(self._outbox_url)
        try:
            migrate(engine)  # a worker may have died before the outbox had its tables
            return Evidence(engine, self._dashboard.handle.database)
        finally:
            engine.dispose()

    def _complain(self, complaints: Iterator[str]) -> None:
        found = list(complaints)
        if found:
            raise Violation(found)

    def _clock(self) -> datetime:
        return self._now + timedelta(seconds=time.monotonic() - self._began)


def _proofs(run: Worker) -> dict[str, bool]:
    """Whether each window was settled in its last recount."""
    return {data["label"]: settled for data, settled, _ in run.events("proved")}
