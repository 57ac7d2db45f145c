"""Dividing the values of ``last_modified_date`` into groups by bounds, so that one statement counts many windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from tablero.contract.windows import last_day, months_between

#: The group of values that are perhaps no date. Others are numbered by the edges that they do not lie before, or negatively by
#: the edge near which they lie: see :func:`near`.
PERHAPS_NO_DATE = -1

#: Months by which a group of text is divided at most; a database takes some thousand bounds in a statement.
_MOST_MONTHS = 600

_DAY = timedelta(days=1)


class Steps(NamedTuple):
    """The groups between bounds.

    :ivar bounds: in ascending order.
    :ivar groups: one more than bounds: those of the values below the first one, between two of them, and from the last one on.
    :ivar mixed: positions of the groups that may contain values that are no date.
    """

    bounds: list[Any]
    groups: list[int]
    mixed: set[int]


def near(number: int) -> int:
    """The group of values that lie near an edge, on either side of it; and back."""
    return -2 - number


def between(spans: Sequence[tuple[Any, Any]]) -> Steps:
    """The groups between edges.

    :param spans: for each edge the values between which it lies; the same one twice where it is known exactly.
    """
    bounds: list[Any] = []
    groups = [0]
    for number, (start, end) in enumerate(spans):
        for bound, group in ((start, near(number)), (end, number + 1)):
            if bounds and bound <= bounds[-1]:
                groups[-1] = group
            else:
                bounds.append(bound)
                groups.append(group)
    return Steps(bounds, groups, set(range(len(groups))))


def between_texts(spans: Sequence[tuple[str, str]]) -> Steps:
    """The same for ISO text in the order of its bytes.

    Text that sorts among the days of a month begins like one of them, so its bounds alone tell that it lies in that month; it
    takes a database far longer to look at its form. What sorts after the last day of a month and before the next month is no
    date.
    """
    plain = between(spans)
    found = Steps([], [], set())
    for group, start, end in zip(plain.groups, [None, *plain.bounds], [*plain.bounds, None], strict=True):
        if start is not None:
            found.bounds.append(start)
        found.groups.append(group)
        if start is None or end is None or group < 0 or _months_from(start, end) > _MOST_MONTHS:
            found.mixed.add(len(found.groups) - 1)
            continue
        for after, first in _gaps(start, end):
            found.bounds.append(after)
            found.groups.append(PERHAPS_NO_DATE)
            if first < end:
                found.bounds.append(first)
                found.groups.append(group)
    return found


def _months_from(start: str, end: str) -> int:
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    return (last.year - first.year) * 12 + last.month - first.month


def _gaps(start: str, end: str) -> Iterator[tuple[str, str]]:
    """What sorts between the months from ``start`` to ``end``: after the last day of each, and the next one's first day."""
    for month in months_between(date.fromisoformat(start), date.fromisoformat(end)):
        last = last_day(month)
        following = (last + _DAY).isoformat()
        if following <= end:
            yield f"{last:%Y-%m}-{last.day + 1:02}", following
