"""The digest: rows read, delivered and rejected in a day, a week or a month, and what is still open."""

from __future__ import annotations

import html
from datetime import date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.reasons import Reason
from tablero.contract.windows import Window, first_instant, local_day
from tablero.outbox.reports import health, nights
from tablero.outbox.reports.coverage import delivered_by_day, pending_by_day
from tablero.outbox.reports.rejections import count_by_reason
from tablero.outbox.requeue import Filter
from tablero.outbox.schema import degradation, reconciliation
from tablero.settings import Settings
from tablero.texts import alerts as texts
from tablero.texts.text import LANGUAGES, Text

_DAY = timedelta(days=1)


class Period(NamedTuple):
    """The days that a digest covers, both included.

    :ivar label: ``2026-11-24``, ``2026-W47`` or ``2026-11``; also the key under which the digest is recorded as sent.
    """

    label: str
    first: date
    last: date


class Digest(NamedTuple):
    """The numbers of a period.

    :ivar delivered: delivered rows of these days.
    :ivar rejected: open rejections of these days, by reason.
    :ivar pending: pending rows of these days.
    :ivar left_out: rows of these days that are repetitions, or of requests opened before ``earliest``.
    :ivar sent: rows of any day that the nights after these days delivered.
    :ivar open_windows: windows of any time that their last proof found unsettled.
    :ivar audits: distinct months that the nights after these days proved.
    :ivar degraded: degradations of windows in these days.
    :ivar evidence_url: where to download the evidence of the month, if it is too large to be attached.
    """

    period: Period
    delivered: int
    rejected: dict[str, int]
    pending: int
    open_windows: int
    audits: int
    degraded: int
    left_out: int = 0
    sent: int = 0
    evidence_url: str = ""

    @property
    def read(self) -> int:
        """The rows of the source of these days, each of which is in one of the other counts."""
        return self.delivered + sum(self.rejected.values()) + self.left_out + self.pending

    @property
    def is_well(self) -> bool:
        """Whether nothing is pending or unsettled."""
        return not (self.pending or self.open_windows)

    def rows(self) -> list[tuple[Text, int]]:
        """The rows of the table: name and number."""
        named = [
            ("read", self.read),
            ("delivered", self.delivered),
            ("rejected", sum(self.rejected.values())),
            ("left_out", self.left_out),
            ("pending", self.pending),
            ("sent", self.sent),
            ("open", self.open_windows),
            ("audits", self.audits),
            ("degraded", self.degraded),
        ]
        by_count = sorted(self.rejected.items(), key=lambda item: (-item[1], item[0]))
        reasons = [(texts.DIGEST_REASON(reason=Reason(code).text), count) for code, count in by_count]
        table = [(texts.DIGEST_ROWS[name], count) for name, count in named]
        return [*table[:3], *reasons, *table[3:]]

    def subject(self) -> Text:
        """The subject of the mail."""
        return texts.DIGEST_SUBJECT(period=self.period.label, delivered=self.delivered)

    def intro(self) -> Text:
        """The opening sentence: the period, and whether all is well."""
        state = texts.DIGEST_WELL if self.is_well else texts.DIGEST_NOT_WELL
        return texts.DIGEST_INTRO(period=self.period.label, state=state)

    def closing(self) -> list[Text]:
        """The last sentence, if there is one: where the attachment is that is not there."""
        return [texts.EVIDENCE_TOO_LARGE(period=self.period.label, url=self.evidence_url)] if self.evidence_url else []

    def to_text(self, page_url: str) -> str:
        """The digest as plain text in both languages."""
        blocks = []
        for language in LANGUAGES:
            lines = [f"{name.within(language)}: {count:,}" for name, count in self.rows()]
            closing = [sentence.within(language) for sentence in self.closing()]
            blocks.append("\n".join([self.intro().within(language), *lines, *closing]))
        return "\n\n".join([*blocks, f"{texts.PAGE_LINK}: {page_url}"])

    def to_html(self, page_url: str) -> str:
        """The digest as HTML in both languages."""
        parts = []
        for language in LANGUAGES:
            cells = "".join(
                f'<tr><th align="left">{html.escape(name.within(language))}</th><td align="right">{count:,}</td></tr>'
                for name, count in self.rows()
            )
            intro = html.escape(self.intro().within(language))
            closing = "".join(f"<p>{html.escape(sentence.within(language))}</p>" for sentence in self.closing())
            parts.append(f'<div lang="{language}"><p>{intro}</p><table cellpadding="4">{cells}</table>{closing}</div>')
        link = f'<p><a href="{html.escape(page_url)}">{html.escape(str(texts.PAGE_LINK))}</a></p>'
        return "\n".join([*parts, link])


def period_of(kind: str, end_of_day: datetime, settings: Settings) -> Period:
    """The last whole day, week (Monday to Sunday) or month up to the end of a day.

    :param kind: ``daily``, ``weekly`` or ``monthly``.
    :param end_of_day: end of the run's own day.
    """
    after = local_day(end_of_day, settings.timezone)
    last = after - _DAY
    if kind == "weekly":
        last = after - (after.weekday() + 1) * _DAY
        first = last - 6 * _DAY
        return Period("{}-W{:02}".format(*first.isocalendar()[:2]), first, last)
    if kind == "monthly":
        last = after.replace(day=1) - _DAY
        return Period(f"{last:%Y-%m}", last.replace(day=1), last)
    return Period(last.isoformat(), last, last)


def gather(connection: Connection, settings: Settings, period: Period) -> Digest:
    """Collect the numbers of a period from the outbox."""
    zone = settings.timezone
    start, end = first_instant(period.first, zone), first_instant(period.last + _DAY, zone)
    days = {period.first + number * _DAY for number in range((period.last - period.first).days + 1)}
    # The night that follows a day proves for that day: consecutive digests share none.
    end_of_first = first_instant(period.first + _DAY, zone)
    audits = sa.select(sa.func.count(reconciliation.c.label.distinct())).where(
        reconciliation.c.kind == "month",
        reconciliation.c.settled,
        reconciliation.c.counted_at >= end_of_first,
        reconciliation.c.counted_at < first_instant(period.last + 2 * _DAY, zone),
    )
    degraded = sa.select(sa.func.count()).where(degradation.c.window_start < end, degradation.c.window_end > start)
    return Digest(
        period,
        delivered=sum(delivered_by_day(connection, days).values()),
        rejected=count_by_reason(connection, Filter(start=start, end=end)),
        pending=sum(pending_by_day(connection, among=days).values()),
        open_windows=nights.count_unsettled(connection),
        audits=int(connection.scalar(audits.select_from(reconciliation)) or 0),
        degraded=int(connection.scalar(degraded.select_from(degradation)) or 0),
        left_out=nights.left_out_of(connection, start, end),
        sent=health.rows_delivered(connection, end_of_first, first_instant(period.last + 2 * _DAY, zone)),
    )


def month_window(period: Period, settings: Settings) -> Window:
    """The month of a monthly digest, whose evidence is attached."""
    zone = settings.timezone
    return Window("month", period.label, first_instant(period.first, zone), first_instant(period.last + _DAY, zone))
