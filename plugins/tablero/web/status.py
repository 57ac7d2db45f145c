"""Is all well? One answer for a person, a cron job and a monitor, by the page's own judgement, so that the two agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy.engine import Connection
from tablero import __version__
from tablero.contract.windows import local_day
from tablero.outbox.reports import health
from tablero.outbox.reports.rejections import Filter, count_by_reason
from tablero.settings import Settings
from tablero.texts import command_line as texts
from tablero.texts.text import Text, joined
from tablero.web.coverage import Cell, Coverage, State, Why, gather, survey

_DAY = timedelta(days=1)


class Health(Enum):
    """How it is. The value is its name in JSON."""

    OK = "ok"
    DEGRADED = "degraded"
    LATE = "late"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """As Nagios, Icinga and Zabbix read it: 0 well, 1 a warning, 2 critical, 3 unknown."""
        return list(Health).index(self)


@dataclass(frozen=True)
class Totals:
    """What became of all rows: ``read`` is the sum of the others.

    :ivar rejected: by reason code; no reason is counted beyond some thousands.
    """

    read: int
    delivered: int
    rejected: dict[str, int]
    excluded: int
    duplicates: int
    pending: int


@dataclass(frozen=True)
class Status:
    """The answer.

    :ivar settled_until: the last day up to which every one is settled; ``None`` if there is none.
    :ivar open_windows: days and months of which something is pending, or not proved.
    :ivar gaps: days and months that were never read to their end.
    :ivar is_failing: whether scheduled runs fail, and none has succeeded since.
    :ivar degraded: causes of what the last scheduled run found not to be as usual, or months with too many rejected rows.
    """

    state: Health
    settled_until: date | None
    open_windows: list[str]
    gaps: list[str]
    totals: Totals | None
    last_delivery: datetime | None
    is_failing: bool = False
    degraded: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "state": self.state.value,
            "settled_until": self.settled_until.isoformat() if self.settled_until else None,
            "open_windows": self.open_windows,
            "gaps": self.gaps,
            "totals": asdict(self.totals) if self.totals else None,
            "last_delivery": self.last_delivery.isoformat() if self.last_delivery else None,
            "version": __version__,
        }

    def line(self) -> Text:
        """For people, in one line."""
        if self.totals is None or self.state is Health.UNKNOWN:
            return texts.UNKNOWN
        until = texts.SETTLED_UNTIL(day=self.settled_until) if self.settled_until else texts.NOTHING_SETTLED
        counts = texts.COUNTS(
            delivered=self.totals.delivered, pending=self.totals.pending, rejected=sum(self.totals.rejected.values())
        )
        details = joined([until, counts, *self._notes()], ", ")
        return texts.STATES[self.state.value](details=details)

    def _notes(self) -> Iterator[Text]:
        if self.is_failing:
            yield texts.FAILING
        if self.open_windows:
            yield texts.OPEN(windows=_some(self.open_windows))
        if self.gaps:
            yield texts.GAPS(windows=_some(self.gaps))
        if self.degraded:
            yield texts.NOT_AS_USUAL(causes=", ".join(self.degraded))


def unknown() -> Status:
    """It cannot be told: nothing has run, or the outbox does not answer."""
    return Status(Health.UNKNOWN, None, [], [], None, None)


def status(connection: Connection, settings: Settings, now: datetime) -> Status:
    """Ask the outbox how it is.

    What is due by ``deadline`` counts: until then a night may still be at work.
    """
    found = survey(gather(connection, settings, now, ()), settings, now)
    if not found.ever_read:
        return unknown()
    local = now.astimezone(settings.timezone)
    due = local_day(now, settings.timezone) - (_DAY if local.time() >= settings.deadline else 2 * _DAY)
    cells = list(_cells(found, due))
    began = next((index for index, cell in enumerate(cells) if cell.state is not State.NEVER), len(cells))
    cells = cells[began:]
    gaps = [cell.label for cell in cells if _is_gap(cell)]
    open_windows = [cell.label for cell in cells if _is_open(cell) and not _is_gap(cell)]
    degraded = health.last_causes(connection)
    degraded += ["rejected"] if "rejected" not in degraded and found.having(State.REJECTIONS) else []
    is_failing = health.is_failing(connection)
    totals = found.totals
    if open_windows or gaps or is_failing:
        state = Health.LATE
    else:
        state = Health.DEGRADED if degraded else Health.OK
    return Status(
        state,
        _settled_until(cells),
        open_windows,
        gaps,
        Totals(
            totals.read,
            totals.delivered,
            count_by_reason(connection, Filter()),
            totals.excluded,
            totals.duplicates,
            totals.pending,
        ),
        health.last_delivery(connection),
        is_failing,
        tuple(degraded),
    )


def _cells(found: Coverage, due: date) -> Iterator[Cell]:
    """Months as far as they are shown as months only, then days, up to the last one that is due."""
    first_day = min(found.days, default=date.max)
    yield from (month for month in found.months if month.first < first_day and _month_end(month.first) < first_day)
    yield from (cell for day, cell in sorted(found.days.items()) if day <= due)


def _month_end(first: date) -> date:
    return (first.replace(day=28) + 4 * _DAY).replace(day=1) - _DAY


def _is_gap(cell: Cell) -> bool:
    return cell.state is State.NEVER or (cell.state is State.PENDING and cell.judgement.why is Why.UNREAD)


def _is_open(cell: Cell) -> bool:
    return cell.state in (State.PENDING, State.MISMATCH, State.IN_PROGRESS)


def _settled_until(cells: list[Cell]) -> date | None:
    until = None
    for cell in cells:
        if cell.state not in (State.SETTLED, State.REJECTIONS):
            break
        until = cell.first if len(cell.label) == len("YYYY-MM-DD") else _month_end(cell.first)
    return until


def _some(labels: list[str]) -> str:
    return ", ".join(labels[:5]) + (f" … (+{len(labels) - 5})" if len(labels) > 5 else "")
