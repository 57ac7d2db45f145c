"""Numbers, instants and durations as people read them; instants in the institution's zone."""

from __future__ import annotations

from datetime import date, datetime, tzinfo

from tablero.web.language import Texts


class Formats:
    """How values are written.

    :param texts: of the language.
    :param zone: in which instants are shown.
    """

    def __init__(self, texts: Texts, zone: tzinfo) -> None:
        self._texts = texts
        self._zone = zone

    def number(self, value: float) -> str:
        """A whole number with separators of thousands, or one with a digit after the point."""
        return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"

    def compact(self, value: int) -> str:
        """A number that fits into a small cell: three digits at most, and a unit."""
        for unit, sign in ((1_000_000, "M"), (1_000, "k")):
            if value >= unit:
                shown = value / unit
                return f"{shown:.0f}{sign}" if shown >= 10 else f"{int(shown * 10) / 10:g}{sign}"
        return str(value)

    def instant(self, moment: datetime) -> str:
        """An instant to the minute."""
        local = moment.astimezone(self._zone)
        return f"{self.day(local.date())}, {local:%H:%M}"

    def exact(self, moment: datetime) -> str:
        """An instant to the second, or as far as it goes beyond."""
        local = moment.astimezone(self._zone)
        fraction = f".{local.microsecond:06d}".rstrip("0") if local.microsecond else ""
        return f"{local:%Y-%m-%d %H:%M:%S}{fraction}"

    def iso(self, moment: datetime) -> str:
        """An instant for machines, with its offset."""
        return moment.astimezone(self._zone).isoformat()

    def day(self, day: date) -> str:
        """A civil day."""
        return self._texts(
            "date.day", day=str(day.day), month=self._texts.list("months.short")[day.month - 1], year=str(day.year)
        )

    def long_day(self, day: date) -> str:
        """A civil day with its weekday."""
        return self._texts(
            "date.long_day",
            weekday=self._texts.list("weekdays")[day.weekday()],
            day=str(day.day),
            month=self._texts.list("months")[day.month - 1],
            year=str(day.year),
        )

    def month(self, first: date) -> str:
        """A month."""
        return self._texts("date.month", month=self._texts.list("months")[first.month - 1], year=str(first.year))

    def duration(self, seconds: float) -> str:
        """How long something took, or will take."""
        if seconds < 10:
            return f"{seconds:.2f} s"
        whole = round(seconds)
        if whole < 60:
            return f"{whole} s"
        minutes, rest = divmod(whole, 60)
        if minutes < 60:
            return f"{minutes} min {rest} s"
        hours, minutes = divmod(minutes, 60)
        return f"{hours:,} h {minutes} min"
