"""Where messages go: mail, a webhook, and a heartbeat for an external monitor.

Airflow's own notifiers send them, each channel in a thread of its own: one that hangs, as a mail server that accepts the
connection and says nothing, takes no time from another one. What fails is logged.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tablero.airflow.alerts.refusal import Refused
from tablero.texts import airflow as texts

if TYPE_CHECKING:
    from tablero.airflow.alerts.content import Alert
    from tablero.delivery.health.digest import Digest
    from tablero.settings import Settings

log = logging.getLogger(__name__)

MAIL, WEBHOOK = "mail", "webhook"

#: Seconds for a webhook or a monitor to accept the connection, and again to answer.
_PATIENCE = {"timeout": 30}


class Message(NamedTuple):
    """A mail, and the same for a webhook.

    :ivar files: paths of what is attached to the mail.
    """

    subject: str
    text: str
    html: str
    json: dict[str, Any]
    files: Sequence[str] = ()

    @classmethod
    def of(cls, alert: Alert) -> Message:
        """An alert as a message."""
        return cls(alert.title, alert.to_text(), alert.to_html(), alert.to_json())


class _Notifier(Protocol):
    """One of ours: Airflow's, and what has to be done before it is called in a thread."""

    def prepare(self) -> None: ...

    def notify(self, context: Any) -> None:
        """Send.

        :raises Refused: if this message alone was not taken.
        """
        ...


def configured(settings: Settings) -> list[str]:
    """The channels in the settings by which alerts are sent."""
    named = {WEBHOOK: settings.alert_webhook_conn_id, MAIL: settings.alert_emails}
    return [channel for channel, address in named.items() if address]


def send(settings: Settings, messages: Mapping[str, Sequence[Message]], *, seconds: float) -> dict[str, list[bool]]:
    """Send to each channel its messages in this order, to all channels at the same time; never raises.

    A message that is refused holds up no other. A channel that does not answer, or asks to wait, gets no further message.

    :param messages: by channel.
    :param seconds: for all of them together. What is still being sent then may arrive, and counts as not taken.
    :returns: for each message that a channel has answered, in order, whether it was taken.
    """
    answers: dict[str, list[bool]] = {channel: [] for channel in messages}

    def work(channel: str, notifiers: Sequence[_Notifier]) -> None:
        for notifier in notifiers:
            try:
                notifier.notify({})
            except Refused as error:
                _log_failure(_name(settings, channel), error)
                answers[channel].append(False)
            except Exception as error:  # whatever a library raises: a broken webhook must not stop the mail
                _log_failure(_name(settings, channel), error)
                return
            else:
                answers[channel].append(True)

    prepared = {channel: list(_prepared(settings, channel, some)) for channel, some in messages.items()}
    jobs = {_name(settings, channel): partial(work, channel, notifiers) for channel, notifiers in prepared.items()}
    _run_in_time(jobs, seconds)
    return {channel: list(given) for channel, given in answers.items()}


def send_digest(settings: Settings, found: Digest, page_url: str, attached: Mapping[str, bytes], *, seconds: float) -> bool:
    """Send the digest by mail; never raises.

    :param attached: files by name.
    :param seconds: for the mail server.
    :returns: whether it was sent.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        paths = [Path(folder) / name for name in attached]
        for path in paths:
            path.write_bytes(attached[path.name])
        message = Message(
            str(found.subject()), found.to_text(page_url), found.to_html(page_url), {}, [str(path) for path in paths]
        )
        return send(settings, {MAIL: [message]}, seconds=seconds)[MAIL] == [True]


def beat(conn_id: str, *, seconds: float) -> None:
    """Call the heartbeat address; an external monitor alerts when these calls stop. Never raises.

    :param seconds: for the monitor.
    """
    from tablero.airflow.alerts.webhook import WebhookNotifier

    def call() -> None:
        try:
            notifier.notify({})
        except Exception as error:  # as above
            _log_failure(conn_id, error)

    notifier = WebhookNotifier(http_conn_id=conn_id, method="GET", extra_options=_PATIENCE)
    try:
        notifier.prepare()
    except Exception as error:  # as above
        _log_failure(conn_id, error)
    else:
        _run_in_time({conn_id: call}, seconds)


def _prepared(settings: Settings, channel: str, messages: Collection[Message]) -> Iterator[_Notifier]:
    for message in messages:
        notifier = (_webhook if channel == WEBHOOK else _mail)(settings, message)
        try:
            notifier.prepare()
        except Exception as error:  # as above
            _log_failure(_name(settings, channel), error)
            return
        yield notifier


def _webhook(settings: Settings, message: Message) -> _Notifier:
    from tablero.airflow.alerts.webhook import WebhookNotifier

    return WebhookNotifier(
        http_conn_id=str(settings.alert_webhook_conn_id),
        json=message.json,
        headers={"Content-Type": "application/json"},
        extra_options=_PATIENCE,
    )


def _mail(settings: Settings, message: Message) -> _Notifier:
    from tablero.airflow.alerts.mail import MailNotifier

    subject, text, html, _, files = message
    return MailNotifier(to=settings.alert_emails, subject=subject, text=text, html=html, files=files)


def _name(settings: Settings, channel: str) -> str:
    """The name of a channel in the log: of a webhook, its connection."""
    return str(settings.alert_webhook_conn_id) if channel == WEBHOOK else channel


def _run_in_time(jobs: Mapping[str, Callable[[], None]], seconds: float) -> None:
    """Run all at the same time, and wait for them no longer than this."""
    end = monotonic() + seconds
    threads = [
        # The log of a callback knows its run by context variables.
        Thread(target=copy_context().run, args=(job,), name=name, daemon=True)
        for name, job in jobs.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))
        if thread.is_alive():
            log.error("%s", texts.NOT_SENT_IN_TIME(by=thread.name, seconds=round(seconds)))


def _log_failure(name: str, error: Exception) -> None:
    reason = (isinstance(error, Refused) and error.__cause__) or error
    # The answer of a mail server says what is wrong. The errors of a webhook quote its address, which is a secret.
    sentence = texts.NOT_SENT(by=name, error=type(reason).__name__)
    log.error("%s", sentence, exc_info=reason if name == MAIL else None)
