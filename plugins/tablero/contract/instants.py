"""Reading a database's dates as instants."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone, tzinfo

UTC = timezone.utc

_DAY = timedelta(days=1)

_ISO = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<minute>\d\d:\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s?(?:(?P<utc>Z)|(?P<hours>[+-]\d\d)(?::?(?P<minutes>\d\d))?)?)?",
    re.ASCII | re.IGNORECASE,
)

_DAY_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", re.ASCII)

#: Length of ``2021-03-04 10:15:00`` and ``2021-03-04T10:15:00``, the most frequent forms of text dates.
_PLAIN_LENGTH = 19
_DAY_LENGTH = 10

#: Days whose offset is cached; a century has 36,525.
_MOST_DAYS = 40_000


#: Characters stripped from text dates. No others, since databases must be able to tell where such text sorts.
BLANKS = " \t\n\r\v\f"


def has_iso_form(text: str) -> bool:
    """Whether a text has the form of an ISO 8601 date, even if that date does not exist."""
    return _ISO.fullmatch(text) is not None


class _Skipped(datetime):
    """An instant read from a local time that the clocks skipped, with the offset before the skip."""


def was_skipped(instant: datetime) -> bool:
    """Whether :class:`InstantReader` read this from a local time that never existed."""
    return isinstance(instant, _Skipped)


class InstantReader:
    """Reads database values as instants in UTC.

    Accepts a ``datetime`` (a naive one is local time of ``zone``), a ``date`` (its first instant in ``zone``), or text in ISO
    8601 with a space or a ``T`` between date and time, with or without offset; surrounding blanks (padded CHAR columns) and
    digits beyond microseconds are dropped. An ambiguous local time means the first one; for one that daylight saving skipped,
    the offset before the skip applies (see :func:`was_skipped`). Anything else is not a date: ``None``.

    :param zone: time zone of naive values (``source_timezone``).
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        #: By day: the offset that applies all day, or ``None`` if the clocks change around it.
        self._steady: dict[date, timezone | None] = {}
        #: The same offset as text, by the text of the day.
        self._suffixes: dict[str, str] = {}

    def __call__(self, value: object) -> datetime | None:
        """Read one value."""
        if isinstance(value, str):
            return self._read_text(value)
        if isinstance(value, datetime):
            if value.tzinfo is UTC:
                return value
            return self._place(value)
        if isinstance(value, date):
            return self._first_of(value)
        return None

    def _first_of(self, day: date) -> datetime | None:
        instant = self._place(datetime.combine(day, time()))
        # If midnight was skipped, the day still has a first instant.
        return datetime.combine(instant.date(), instant.timetz()) if instant is not None else None

    def _read_text(self, value: str) -> datetime | None:
        text = value.strip(BLANKS)
        if len(text) == _PLAIN_LENGTH and text[7] == "-" and (suffix := self._suffixes.get(text[:10])):
            # Only for days that the full parser has read before; the rest is checked by ``fromisoformat``.
            if text[10] in "T " and text[13] == ":" == text[16]:
                try:
                    return datetime.fromisoformat(text + suffix).astimezone(UTC)
                except ValueError:
                    return None
        if len(text) == _DAY_LENGTH:
            moment = _parse(text)
            return self._first_of(moment.date()) if moment is not None else None
        if len(text) > _PLAIN_LENGTH and text.endswith("+00") and _DAY_AND_TIME.match(text):  # PostgreSQL's output format
            with suppress(ValueError):
                return datetime.fromisoformat(text + ":00")
        moment = _parse(text)
        if moment is None:
            return None
        instant = self._place(moment)
        if instant is not None and moment.tzinfo is None and (steady := self._steady.get(moment.date())):
            self._suffixes[moment.date().isoformat()] = datetime.now(steady).isoformat()[-6:]
        return instant

    def _place(self, moment: datetime) -> datetime | None:
        try:
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
            day = moment.date()
            if day not in self._steady:
                if len(self._steady) >= _MOST_DAYS:
                    self._steady.clear()
                    self._suffixes.clear()
                self._steady[day] = self._steady_offset(day)
            steady = self._steady[day]
            if steady is not None:
                return moment.replace(tzinfo=steady).astimezone(UTC)
            return self._place_near_change(moment)
        except (OverflowError, ValueError):
            return None

    def _steady_offset(self, day: date) -> timezone | None:
        noon = datetime.combine(day, time(12), self._zone)
        offsets = {(noon + shift).utcoffset() for shift in (-_DAY, timedelta(), _DAY)}
        offset = offsets.pop()
        # Historical offsets have seconds, which an ISO suffix cannot express.
        plain = offset is not None and not offsets and offset.total_seconds() % 60 == 0
        return timezone(offset) if plain and offset is not None else None

    def _place_near_change(self, moment: datetime) -> datetime | None:
        local = moment.replace(tzinfo=self._zone, fold=0)
        before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
        if before is None or after is None:
            return None
        instant = (moment - before).replace(tzinfo=UTC, fold=0)
        # PEP 495: the two folds differ where clocks change; the earlier offset is the smaller one where they skip.
        return instant if before >= after else _Skipped.combine(instant.date(), instant.timetz())


def _parse(text: str) -> datetime | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    day, minute, second, fraction, utc, hours, minutes = match.groups()
    plain = f"{day}T{minute or '00:00'}:{second or '00'}.{(fraction or '0')[:6]:0<6}"
    if utc or hours:
        plain += "+00:00" if utc else f"{hours}:{minutes or '00'}"
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        return None
