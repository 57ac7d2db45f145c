"""Formatting of numbers, instants and durations; instants in the institution's time zone."""

from __future__ import annotations

import math
from datetime import date, datetime, tzinfo
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, get_day_names, get_month_names
from babel.numbers import format_decimal
from tablero.web.language import Texts

#: Date patterns in Unicode (CLDR) syntax that are the same in both languages; others are in the catalogue.
_DAY, _SHORT_DAY = "d MMM y", "d MMM"

#: Instants are shown to the minute; seconds only where they matter.
_MINUTE = "%H:%M"


class Formats:
    """Formats values in a language and a time zone.

    :param texts: of the language.
    :param zone: in which instants are shown.
    """

    def __init__(self, texts: Texts, zone: tzinfo) -> None:
        self._texts = texts
        self._zone = zone

    def number(self, value: float) -> str:
        """An integer with thousands separators, or a float with one decimal."""
        return _decimal(value, "#,##0" if isinstance(value, int) else "#,##0.0", self._texts.locale)

    def compact(self, value: int) -> str:
        """A number for a small cell: at most three digits and a unit, rounded down."""
        for unit, sign in ((1_000_000, "M"), (1_000, "k")):
            if value >= unit:
                return f"{value // unit}{sign}" if value >= 10 * unit else f"{value * 10 // unit / 10:g}{sign}"
        return str(value)

    def percent(self, share: float) -> str:
        """A share as a percentage with one decimal, or with two where one would make a whole number of what is none: neither
        what is not finished nor what is just above a limit reads as if it were. A share above zero is never shown as ``0 %``.
        """
        percents = share * 100
        if 0 < percents < 0.1:
            return f"< {_decimal(0.1, '0.0', self._texts.locale)} %"
        whole = round(percents)
        if abs(percents - whole) < 0.05 and not math.isclose(percents, whole, abs_tol=1e-9):
            hundredths = math.floor(percents * 100) if percents < whole else math.ceil(percents * 100)
            return f"{_decimal(hundredths / 100, '0.##', self._texts.locale)} %"
        return f"{_decimal(percents, '0.#', self._texts.locale)} %"

    def instant(self, moment: datetime) -> str:
        """An instant to the minute."""
        local = moment.astimezone(self._zone)
        return f"{self.day(local.date())}, {local:{_MINUTE}}"

    def day_of(self, moment: datetime) -> str:
        """The civil day of an instant."""
        return self.day(moment.astimezone(self._zone).date())

    def short_instant(self, moment: datetime) -> str:
        """An instant to the minute, without its year: for the axis of a chart."""
        local = moment.astimezone(self._zone)
        return f"{self.short_day(local.date())} {local:{_MINUTE}}"

    def exact(self, moment: datetime) -> str:
        """An instant to the second, with a fraction if it has one."""
        local = moment.astimezone(self._zone)
        fraction = f".{local.microsecond:06d}".rstrip("0") if local.microsecond else ""
        return f"{local:%Y-%m-%d %H:%M:%S}{fraction}"

    def iso(self, moment: datetime) -> str:
        """An instant in ISO 8601, with its offset."""
        return moment.astimezone(self._zone).isoformat()

    def day(self, day: date) -> str:
        """A civil day."""
        return self._date(_DAY, day)

    def short_day(self, day: date) -> str:
        """A civil day without its year: for the axis of a chart."""
        return self._date(_SHORT_DAY, day)

    def long_day(self, day: date) -> str:
        """A civil day with its weekday."""
        return self._date(self._texts("date.long_day"), day)

    def month(self, first: date) -> str:
        """A month."""
        return self._date(self._texts("date.month"), first)

    def months(self) -> list[tuple[str, str]]:
        """The short and full names of the twelve months."""
        short, wide = (get_month_names(width, "stand-alone", self._texts.locale) for width in ("abbreviated", "wide"))
        return [(short[number], wide[number]) for number in range(1, 13)]

    def weekdays(self) -> list[str]:
        """The names of the days of the week, starting with Monday."""
        names = get_day_names("wide", "stand-alone", self._texts.locale)
        return [names[number] for number in range(7)]

    def duration(self, seconds: float) -> str:
        """A duration."""
        if 0 < seconds < 10:
            return f"{_decimal(seconds, '0.00', self._texts.locale)} s"
        whole = round(seconds)
        if whole < 60:
            return f"{whole} s"
        minutes, rest = divmod(whole, 60)
        if minutes < 60:
            return f"{minutes} min {rest} s" if rest else f"{minutes} min"
        hours, minutes = divmod(minutes, 60)
        return f"{self.number(hours)} h {minutes} min" if minutes else f"{self.number(hours)} h"

    def _date(self, pattern: str, day: date) -> str:
        return _date(day, pattern, self._texts.locale)


# A calendar has the same days on every request, and hundreds of small numbers; Babel parses the pattern for each.
@lru_cache(maxsize=4_096)
def _date(day: date, pattern: str, locale: Locale) -> str:
    return format_date(day, pattern, locale)


@lru_cache(maxsize=4_096)
def _decimal(value: float, pattern: str, locale: Locale) -> str:
    return format_decimal(value, pattern, locale)
