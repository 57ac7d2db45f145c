"""Which settled windows are degraded: pure rules over plain counts.

A run over such a window is green, since every row is accounted for. But a frozen view, a broken mapping or a wrong time zone
looks the same, so a person should be alerted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from tablero.contract.windows import Window
from tablero.outbox.findings import Degradation
from tablero.texts import alerts as texts
from tablero.texts.text import Text, verbatim

#: Days of the same weekday over which the usual number of rows is the median.
WEEKS = 8


class Cause(Enum):
    """Why a window is degraded. The value is stored in the outbox; its sentence is ``texts.alerts.DEGRADED[value]``."""

    REJECTED = "rejected"
    ALL_REJECTED = "all_rejected"
    NO_ROWS = "no_rows"
    FEW_ROWS = "few_rows"
    ALL_EXCLUDED = "all_excluded"
    GONE = "gone"
    UNDATED = "undated"
    FUTURE = "future"
    AUDIT = "audit"
    UNKNOWN = "unknown"
    RECOGNISED = "recognised"
    FEW_REFUSALS = "few_refusals"
    NOT_COUNTED = "not_counted"


#: Causes that persist until they are corrected, and whose end is alerted. The others are events.
CONDITIONS = {
    Cause.REJECTED,
    Cause.ALL_REJECTED,
    Cause.NO_ROWS,
    Cause.FEW_ROWS,
    Cause.ALL_EXCLUDED,
    Cause.UNDATED,
    Cause.FUTURE,
    Cause.NOT_COUNTED,
}

#: The values of the others, which each run reports of itself.
EVENTS = {cause.value for cause in Cause} - {cause.value for cause in CONDITIONS}


@dataclass(frozen=True)
class Counts:
    """The counts of a window after it was sent.

    :ivar read: rows of the source in it.
    :ivar rejected: rows among them rejected by the contract or refused by the dashboard.
    :ivar excluded: rows among them that the dashboard does not ask for.
    :ivar found: rows that only an audit found; 0 if the window was not audited.
    :ivar delivered: rows among them that the dashboard has.
    :ivar gone: delivered rows that the source no longer returns, and still did at the last proof.
    :ivar usual: the same without excluded rows, in up to :data:`WEEKS` earlier days of the same weekday; empty if nothing is
        known of them, ``None`` if the volume is not compared, since the window is not a day or not the run's own.
    """

    window: Window
    read: int
    rejected: int = 0
    excluded: int = 0
    found: int = 0
    delivered: int = 0
    gone: int = 0
    usual: Sequence[int] | None = None


def judge(counts: Counts, *, rejected_percent: float, low_volume_percent: float) -> Iterator[Degradation]:
    """Yield the degradations of a window.

    :param rejected_percent: share of the eligible rows above which rejections count; 0: only if all rows are rejected.
    :param low_volume_percent: share of the usual rows below which a day counts; 0: never, not even for an empty day.
    """
    window = counts.window
    if counts.found:
        yield Degradation.of(Cause.AUDIT.value, window, counts.found, counts.read)
    if window.kind == "undated":
        if counts.rejected:
            yield Degradation.of(Cause.UNDATED.value, window, counts.rejected, counts.read)
        return
    eligible = counts.read - counts.excluded
    if counts.rejected and counts.rejected >= eligible:
        yield Degradation.of(Cause.ALL_REJECTED.value, window, counts.rejected, eligible)
    elif rejected_percent and counts.rejected * 100 > eligible * rejected_percent:
        yield Degradation.of(Cause.REJECTED.value, window, counts.rejected, eligible)
    if rejected_percent and counts.gone * 100 > counts.delivered * rejected_percent:
        yield Degradation.of(Cause.GONE.value, window, counts.gone, counts.delivered)
    if counts.usual is not None:
        yield from _volume(counts, counts.usual, low_volume_percent)


def _volume(counts: Counts, usual: Sequence[int], percent: float) -> Iterator[Degradation]:
    expected = int(median(usual)) if usual else None
    eligible = counts.read - counts.excluded
    if not is_low_volume(eligible, expected, percent):
        return
    if eligible or not counts.excluded:
        cause = Cause.FEW_ROWS if eligible else Cause.NO_ROWS
        yield Degradation.of(cause.value, counts.window, eligible, expected or 0)
    else:
        yield Degradation.of(Cause.ALL_EXCLUDED.value, counts.window, counts.excluded, counts.read)


def is_low_volume(rows: int, expected: int | None, percent: float) -> bool:
    """Whether a day has no rows that may be sent, or far fewer than usual.

    :param expected: ``None`` if nothing is known of earlier days: then an empty day counts, so that an empty view is noticed
        from the first night on.
    :param percent: share of the expected rows below which a day counts; 0: never, not even for an empty day.
    """
    if not percent or expected == 0:
        return False
    return rows == 0 or (expected is not None and rows * 100 < expected * percent)


def sentence(found: Degradation) -> Text:
    """A degradation in words, the same in alerts and on the page."""
    if found.cause == Cause.NO_ROWS.value and not found.of_rows:
        return texts.NO_ROWS_YET(window=found.label)
    words = texts.DEGRADED.get(found.cause)
    if words is None:  # stored by a newer version of this package
        return verbatim(f"{found.label}: {found.cause}")
    return words(window=found.label, rows=found.rows, of=found.of_rows)
