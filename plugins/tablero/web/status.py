"""Is all well? One answer for a person, a cron job and a monitor, from the same judgement as the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from typing import Any

from sqlalchemy.engine import Connection
from tablero import __version__
from tablero.contract.windows import last_day, local_day
from tablero.outbox.reports import coverage as coverage_report
from tablero.outbox.reports import health
from tablero.outbox.reports.coverage import Whole
from tablero.outbox.reports.rejections import count_by_reason
from tablero.outbox.requeue import Filter
from tablero.settings import Settings
from tablero.texts import command_line as texts
from tablero.texts.text import Text, joined, verbatim
from tablero.web.coverage.facts import gather
from tablero.web.coverage.judging import State, Why
from tablero.web.coverage.survey import Cell, Coverage, survey

_DAY = timedelta(days=1)

#: The cause of a degraded state where months were never loaded.
NEVER_READ = "never_read"


class Health(Enum):
    """The overall state. The value is its name in JSON."""

    OK = "ok"
    DEGRADED = "degraded"
    LATE = "late"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """The exit status, in the convention of Nagios, Icinga and Zabbix: 0 OK, 1 warning, 2 critical, 3 unknown."""
        return list(Health).index(self)


@dataclass(frozen=True)
class Totals:
    """What became of all rows: ``read`` is the sum of the others, all of them exact.

    :ivar rejected: by reason code.
    """

    read: int
    delivered: int
    rejected: dict[str, int]
    excluded: int
    duplicates: int
    pending: int


@dataclass(frozen=True)
class Status:
    """The overall state with its details.

    :ivar settled_until: last day of the settled period from the beginning; ``None`` if there is none.
    :ivar open_windows: days and months with rows that are pending or not proved.
    :ivar gaps: days and months that were never read to their end.
    :ivar totals: counts of all rows; ``None`` if unknown.
    :ivar last_delivery: last acknowledgement, in UTC.
    :ivar is_failing: whether scheduled runs are failing.
    :ivar why: why the state is unknown, if there is more to say than that.
    :ivar whole: the last count of the whole view, with its local time; ``None`` if there was none.
    :ivar degraded: causes of degradation in the last scheduled run and in runs by hand of the last day, and :data:`NEVER_READ`.
    :ivar never_read: months since ``earliest`` that lie before the first day ever read; they are no gaps.
    """

    state: Health
    settled_until: date | None
    open_windows: list[str]
    gaps: list[str]
    totals: Totals | None
    last_delivery: datetime | None
    is_failing: bool = False
    degraded: tuple[str, ...] = ()
    whole: Whole | None = None
    why: Text | None = None
    never_read: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form for machines; see :mod:`tablero.command_line.outbox`."""
        return {
            "state": self.state.value,
            "settled_until": self.settled_until.isoformat() if self.settled_until else None,
            "open_windows": self.open_windows,
            "gaps": self.gaps,
            "totals": asdict(self.totals) if self.totals else None,
            "last_delivery": self.last_delivery.isoformat() if self.last_delivery else None,
            "view_count": self.whole.to_json(timezone.utc) if self.whole else None,
            "failing": self.is_failing,
            "degraded": list(self.degraded),
            "why": self.why._asdict() if self.why else None,
            "version": __version__,
        }

    def line(self) -> Text:
        """The form for people, on one line."""
        if self.totals is None or self.state is Health.UNKNOWN:
            parts = [texts.UNKNOWN, self.why] if self.why else [texts.UNKNOWN]
            return Text(*(" ".join(words.split()) for words in joined(parts, ": ")))
        until = texts.SETTLED_UNTIL(day=self.settled_until) if self.settled_until else texts.NOTHING_SETTLED
        counts = texts.COUNTS(
            delivered=self.totals.delivered, pending=self.totals.pending, rejected=sum(self.totals.rejected.values())
        )
        details = joined([until, counts, *self._notes(), verbatim(f"tablero {__version__}")], ", ")
        return texts.STATES[self.state.value](details=details)

    def _notes(self) -> Iterator[Text]:
        if self.is_failing:
            yield texts.FAILING
        if self.open_windows:
            yield texts.OPEN(windows=_some(self.open_windows))
        if self.gaps:
            yield texts.GAPS(windows=_some(self.gaps))
        if self.never_read:
            yield texts.NEVER_READ(first=self.never_read[0], last=self.never_read[-1])
        if self.degraded:
            yield texts.NOT_AS_USUAL(causes=", ".join(self.degraded))
        if self.whole:
            sentence = texts.VIEW_COUNTS.get(self.whole.view.result, texts.VIEW_NOT_COUNTED)
            yield sentence(day=self.whole.counted_at.date(), difference=self.whole.view.difference)


def unknown(why: Text | None = None) -> Status:
    """The state if nothing has run yet, or the outbox does not answer.

    :param why: the error that left it unknown.
    """
    return Status(Health.UNKNOWN, None, [], [], None, None, why=why)


def status(connection: Connection, settings: Settings, now: datetime) -> Status:
    """Determine the state from the outbox.

    Days count once their ``deadline`` has passed: until then a nightly run may still be working on them.
    """
    found = survey(gather(connection, settings, now, ()), settings, now)
    is_failing = health.is_failing(connection)
    if not found.ever_read and not is_failing:
        return unknown()
    local = now.astimezone(settings.timezone)
    due = local_day(now, settings.timezone) - (_DAY if local.time() >= settings.deadline else 2 * _DAY)
    cells = list(_cells(found, due))
    began = next((index for index, cell in enumerate(cells) if cell.state is not State.NEVER), len(cells))
    cells = cells[began:]
    unread = tuple(month.label for month in found.having(State.NEVER) if cells and month.first < cells[0].first)
    gaps = [cell.label for cell in cells if _is_gap(cell)]
    open_windows = [*found.late_outside, *(cell.label for cell in cells if _is_open(cell) and not _is_gap(cell))]
    degraded = list(dict.fromkeys([*health.last_causes(connection), *health.causes_by_hand(connection, now - _DAY)]))
    degraded += [NEVER_READ] if unread else []
    if open_windows or gaps or is_failing:
        state = Health.LATE
    else:
        state = Health.DEGRADED if degraded else Health.OK
    return Status(
        state,
        _settled_until(cells),
        open_windows,
        gaps,
        _totals(found, count_by_reason(connection, Filter())),
        health.last_delivery(connection),
        is_failing,
        tuple(degraded),
        _whole(connection, settings),
        never_read=unread,
    )


def _whole(connection: Connection, settings: Settings) -> Whole | None:
    found = coverage_report.last_view_count(connection)
    return found._replace(counted_at=found.counted_at.astimezone(settings.timezone)) if found else None


def _totals(found: Coverage, rejected: dict[str, int]) -> Totals:
    """The totals of the page, which counts rejected rows up to a limit, with all of them."""
    known = found.totals
    read = known.delivered + sum(rejected.values()) + known.excluded + known.duplicates + known.pending
    return Totals(read, known.delivered, rejected, known.excluded, known.duplicates, known.pending)


def _cells(found: Coverage, due: date) -> Iterator[Cell]:
    """Months that are shown only as months, then days, up to the last one that is due."""
    first_day = min(found.days, default=date.max)
    yield from (month for month in found.months if month.first < first_day and last_day(month.first) < first_day)
    yield from (cell for day, cell in sorted(found.days.items()) if day <= due)


def _is_gap(cell: Cell) -> bool:
    return cell.state is State.NEVER or (cell.state is State.PENDING and cell.judgement.why is Why.UNREAD)


def _is_open(cell: Cell) -> bool:
    return cell.state in (State.PENDING, State.MISMATCH, State.IN_PROGRESS)


def _settled_until(cells: list[Cell]) -> date | None:
    until = None
    for cell in cells:
        if cell.state not in (State.SETTLED, State.REJECTIONS):
            break
        until = cell.first if len(cell.label) == len("YYYY-MM-DD") else last_day(cell.first)
    return until


def _some(labels: list[str]) -> str:
    return ", ".join(labels[:5]) + (f" … (+{len(labels) - 5})" if len(labels) > 5 else "")
