"""The content of an alert: what happened, which windows, since when, the first cause, what to do, and links.

Pure functions from the state in the outbox and Airflow's address to a subject, plain text, HTML, and fields for machines.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tablero.delivery.health import pages
from tablero.delivery.health.degraded import sentence
from tablero.outbox.alerts.incidents import SCHEDULED
from tablero.outbox.alerts.troubles import OpenWindow, Situation, Trouble
from tablero.outbox.findings import Degradation
from tablero.texts import alerts as texts
from tablero.texts.text import LANGUAGES, Text, joined, verbatim

#: Windows listed by name; the rest is counted.
_NAMED = 12

#: Characters of the text for a webhook: Telegram refuses a longer message, and Slack and Teams take more.
_LONGEST = 4_096


@dataclass(frozen=True)
class Links:
    """Addresses in an alert.

    :ivar run: of the run in Airflow.
    :ivar page: of the page that shows what the alert is about.
    :ivar log: of the first failed task's log; empty if there is none.
    """

    run: str
    page: str
    log: str = ""

    @classmethod
    def to(cls, base_url: str, dag_id: str, run_id: str, trouble: Trouble | None = None, page: str = "") -> Links:
        """Links below ``[api] base_url``, Airflow's own address.

        :param page: below Tablero's first page.
        """
        base = base_url.rstrip("/")
        run = f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id)}"
        log = ""
        if trouble is not None and trouble.task_id:
            mapped = f"/mapped/{trouble.map_index}" if trouble.map_index is not None and trouble.map_index >= 0 else ""
            tried = f"?try_number={trouble.try_number}" if trouble.try_number else ""
            log = f"{run}/tasks/{quote(trouble.task_id)}{mapped}{tried}"
        return cls(run, f"{base}/tablero/{page}", log)


@dataclass(frozen=True)
class Alert:
    """An alert.

    :ivar kind: ``failure``, ``recovery``, ``late``, ``degraded``, ``normal``, ``undelivered`` (a digest).
    :ivar title: the subject, one line in both languages.
    :ivar lines: the message, line by line.
    :ivar cause: the first failed task and its error, as it stands in the log.
    :ivar fields: further values for machines.
    """

    kind: str
    dag_id: str
    run_id: str
    title: str
    lines: list[Text]
    links: Links
    cause: tuple[str, str] | None = None
    fields: dict[str, Any] = field(default_factory=dict)

    def to_text(self, longest: int | None = None) -> str:
        """Plain text: Spanish, then English, then what is the same in both.

        :param longest: characters that there is room for; the cause is cut to fit, and stands in full in the log.
        """
        before = ["\n".join(line.within(language) for line in self.lines) for language in LANGUAGES]
        before.insert(0, f"{self.dag_id}, {self.run_id}")
        after = ["\n".join(f"{name}: {url}" for name, url in self._links())]
        if self.cause is None:
            return _blocks(*before, *after)
        task, words = self.cause
        heading = f"{texts.FIRST_CAUSE(task=task)}:\n"
        whole = _blocks(*before, heading + words, *after)
        over = len(whole) - longest if longest is not None else 0
        if over <= 0:
            return whole
        return _blocks(*before, heading + words[: max(0, len(words) - over - 1)] + "…", *after)

    def to_html(self) -> str:
        """HTML for a mail."""
        parts = [f"<p><strong>{html.escape(self.title)}</strong><br>{html.escape(f'{self.dag_id}, {self.run_id}')}</p>"]
        for language in LANGUAGES:
            lines = "<br>".join(html.escape(line.within(language)) for line in self.lines)
            parts.append(f'<p lang="{language}">{lines}</p>')
        if self.cause is not None:
            task, words = self.cause
            parts.append(f"<p>{html.escape(str(texts.FIRST_CAUSE(task=task)))}:</p><pre>{html.escape(words)}</pre>")
        anchors = (f'<a href="{html.escape(url)}">{html.escape(str(name))}</a>' for name, url in self._links())
        parts.append(f"<p>{' · '.join(anchors)}</p>")
        return "\n".join(parts)

    def to_json(self) -> dict[str, Any]:
        """JSON for a webhook: fields, and the same text as in the mail."""
        return {
            "kind": self.kind,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "windows": [],
            "pending": 0,
            "rejected": 0,
            "since": None,
            "degraded": [],
            "over": [],
            **self.fields,
            "cause": self.cause[1] if self.cause else None,
            "links": {"run": self.links.run, "log": self.links.log or None, "page": self.links.page},
            "subject": self.title,
            "text": _blocks(self.title, self.to_text(_LONGEST - len(self.title) - 2)),
        }

    def _links(self) -> list[tuple[Text, str]]:
        named = [
            (texts.RUN_LINK, self.links.run),
            (texts.LOG_LINK, self.links.log),
            (texts.PAGE_LINK, self.links.page),
        ]
        return [(name, url) for name, url in named if url]


def _blocks(*blocks: str) -> str:
    return "\n\n".join(blocks)


def failure(
    dag_id: str,
    run_id: str,
    found: Situation | None,
    *,
    base_url: str,
    since: datetime | None = None,
    degraded: Sequence[Degradation] = (),
    silent: Text | None = None,
) -> Alert:
    """A run failed.

    :param found: what the outbox knows; ``None`` if it did not answer.
    :param since: when the first failure of the row began, local time.
    :param degraded: degradations of the same run.
    :param silent: why the outbox cannot be read or written, if it cannot.
    """
    trouble = _first_cause(found)
    cause = (trouble.task, trouble.words) if trouble else None
    to_do = texts.CLEAR if run_id.startswith(SCHEDULED) else texts.CLEAR_BY_HAND
    if silent is not None or found is None:
        lines = [texts.WHAT(what=texts.OUTBOX_UNAVAILABLE), texts.TO_DO(remedy=texts.CHECK_OUTBOX)]
        cause = ("outbox", str(silent)) if silent is not None else None
    else:
        lines = [texts.WHAT(what=texts.RUN_FAILED), *_windows(found), *map(sentence, degraded), *_since(since)]
        lines.append(texts.TO_DO(remedy=to_do))
    return Alert(
        "failure",
        dag_id,
        run_id,
        f"[Tablero] {dag_id} {texts.FAILED}: {texts.NO_OUTBOX if silent else _how_much(found)}",
        lines,
        Links.to(base_url, dag_id, run_id, trouble, _page_of(found)),
        cause,
        _fields(found, since, degraded),
    )


def recovery(dag_id: str, run_id: str, *, base_url: str) -> Alert:
    """A run succeeded after an incident that was reported."""
    lines = [texts.WHAT(what=texts.ALL_IS_DELIVERED)]
    return Alert("recovery", dag_id, run_id, f"[Tablero] {dag_id} {texts.RECOVERED}", lines, Links.to(base_url, dag_id, run_id))


def late(
    dag_id: str, run_id: str, deadline: str, found: Situation | None, *, base_url: str, wait: Trouble | None = None
) -> Alert:
    """A scheduled day is not settled in time. The cause is the first failure, or what the task that is not done waits for.

    :param deadline: local time.
    :param wait: what a task waits for.
    """
    cause = _first_cause(found) or wait
    lines = [texts.WHAT(what=texts.DAY_IS_LATE(deadline=deadline)), *(_windows(found) if found else [])]
    lines.append(texts.TO_DO(remedy=texts.CHECK_LOG))
    return Alert(
        "late",
        dag_id,
        run_id,
        f"[Tablero] {dag_id} {texts.LATE} ({deadline})",
        lines,
        Links.to(base_url, dag_id, run_id, cause, _page_of(found)),
        (cause.task, cause.words) if cause else None,
        _fields(found, None, ()),
    )


def degraded(dag_id: str, run_id: str, found: Sequence[Degradation], *, base_url: str) -> Alert:
    """A run succeeded, but is degraded.

    :param found: what was not reported before; not empty.
    """
    lines = [texts.WHAT(what=sentence(one)) for one in found[:_NAMED]] + _more(len(found))
    lines += [texts.TO_DO(remedy=texts.REMEDIES[cause]) for cause in dict.fromkeys(one.cause for one in found)]
    return Alert(
        "degraded",
        dag_id,
        run_id,
        f"[Tablero] {dag_id} {texts.NOT_AS_USUAL(what=sentence(found[0]))}",
        lines,
        Links.to(base_url, dag_id, run_id, page=pages.address(found[0], run_id)),
        None,
        _fields(None, None, found),
    )


def normal(dag_id: str, run_id: str, causes: Sequence[str], *, base_url: str) -> Alert:
    """Degradations that were reported are over."""
    lines = [texts.WHAT(what=texts.OVER(causes=joined([texts.CONDITIONS[cause] for cause in causes], ", ")))]
    return Alert(
        "normal",
        dag_id,
        run_id,
        f"[Tablero] {dag_id} {texts.AS_USUAL_AGAIN}",
        lines,
        Links.to(base_url, dag_id, run_id),
        fields={"over": list(causes)},
    )


def undelivered(dag_id: str, run_id: str, period: str, *, base_url: str) -> Alert:
    """A digest could not be sent by mail."""
    lines = [texts.WHAT(what=texts.DIGEST_NOT_SENT(period=period)), texts.TO_DO(remedy=texts.CHECK_MAIL)]
    title = f"[Tablero] {texts.DIGEST_NOT_SENT(period=period)}"
    return Alert("undelivered", dag_id, run_id, title, lines, Links.to(base_url, dag_id, run_id))


def _first_cause(found: Situation | None) -> Trouble | None:
    troubles = found.troubles if found else []
    return next((one for one in troubles if not one.is_consequence), troubles[0] if troubles else None)


def _page_of(found: Situation | None) -> str:
    """The page of a window that is not settled: of the first day, or else of the first month."""
    named = (
        min(found.windows, key=lambda window: (len(window.label) != len("YYYY-MM-DD"), window.start), default=None)
        if found
        else None
    )
    return pages.window(named.label) if named else ""


def _how_much(found: Situation | None) -> str:
    """How many rows are pending; where none is, as after a reading that failed, how many windows are not settled; where no
    window is known to be open, which task failed."""
    if rows := _pending(found):
        return f"{rows:,} {texts.ROWS_PENDING(rows=rows)}"
    if found and found.windows:
        return f"{len(found.windows):,} {texts.NOT_SETTLED(windows=len(found.windows))}"
    trouble = _first_cause(found)
    return f"{texts.TASK} {trouble.task}" if trouble else str(texts.NO_CAUSE)


def _windows(found: Situation) -> list[Text]:
    windows = [window for window in found.windows if not _is_its_days(window, found)]
    if not windows:
        return []
    named = ", ".join(f"{window.label} ({window.pending:,})" for window in windows[:_NAMED])
    listed = joined([verbatim(named), *_more(len(windows))])
    return [texts.WINDOWS(windows=listed, count=len(windows))]


def _is_its_days(month: OpenWindow, found: Situation) -> bool:
    """Whether all rows pending in a month are those of its days in the same list, beside which it would seem to have more."""
    inside = sum(window.pending for window in found.windows if window.is_within(month))
    return 0 < month.pending == inside


def _more(count: int) -> list[Text]:
    return [texts.MORE(count=count - _NAMED)] if count > _NAMED else []


def _since(since: datetime | None) -> list[Text]:
    return [texts.SINCE(since=f"{since:%Y-%m-%d %H:%M}")] if since else []


def _pending(found: Situation | None) -> int:
    return found.pending if found else 0


def _fields(found: Situation | None, since: datetime | None, degraded: Sequence[Degradation]) -> dict[str, Any]:
    windows = [{"window": window.label, "pending": window.pending} for window in found.windows] if found else []
    return {
        "windows": windows or [{"window": label, "pending": 0} for label in dict.fromkeys(one.label for one in degraded)],
        "pending": _pending(found),
        "rejected": sum(one.rows for one in degraded if one.cause in pages.OF_REJECTIONS),
        "since": since.isoformat() if since else None,
        "degraded": [{"cause": one.cause, "window": one.label, "rows": one.rows, "of": one.of_rows} for one in degraded],
    }
