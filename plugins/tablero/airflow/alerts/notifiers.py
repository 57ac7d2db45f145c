"""Where alerts go: mail, a webhook, and a heartbeat for an external monitor.

Airflow's own notifiers send them. A notifier that fails is logged, and the next one is tried.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import BaseNotifier
from tablero.texts import airflow as texts

if TYPE_CHECKING:
    from airflow.providers.smtp.hooks.smtp import SmtpHook
    from tablero.airflow.alerts.content import Alert
    from tablero.delivery.health.digest import Digest
    from tablero.settings import Settings

log = logging.getLogger(__name__)

#: Seconds for a webhook or a monitor to answer: the callbacks of a run must not wait longer.
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


def send(settings: Settings, message: Message) -> None:
    """Send a message by every channel in the settings; never raises."""
    for notifier in _notifiers(settings, message):
        try:
            notifier.notify({})
        except Exception as error:  # a broken webhook must not stop the mail
            _log_failure(notifier, error)


async def send_async(settings: Settings, message: Message, context: Any) -> None:
    """The same without blocking the triggerer."""
    for notifier in _notifiers(settings, message):
        try:
            await notifier.async_notify(context)
        except Exception as error:  # as above
            _log_failure(notifier, error)


def send_digest(settings: Settings, found: Digest, page_url: str, attached: Mapping[str, bytes]) -> bool:
    """Send the digest by mail; never raises.

    :param attached: files by name.
    :returns: whether it was sent.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in attached]
        for path in paths:
            path.write_bytes(attached[path.name])
        message = Message(
            str(found.subject()), found.to_text(page_url), found.to_html(page_url), {}, [str(path) for path in paths]
        )
        notifier = _mail(settings, message)
        try:
            notifier.notify({})
        except Exception as error:  # the run must not fail because of it
            _log_failure(notifier, error)
            return False
    return True


def beat(conn_id: str) -> None:
    """Call the heartbeat address; an external monitor alerts when these calls stop. Never raises."""
    from tablero.airflow.alerts.webhook import WebhookNotifier

    notifier = WebhookNotifier(http_conn_id=conn_id, method="GET", extra_options=_PATIENCE)
    try:
        notifier.notify({})
    except Exception as error:  # as above
        _log_failure(notifier, error)


def _log_failure(notifier: BaseNotifier, error: Exception) -> None:
    # The answer of a mail server says what is wrong. The errors of a webhook quote its address, which is a secret.
    conn_id = getattr(notifier, "http_conn_id", None)
    sentence = texts.NOT_SENT(by=conn_id or "mail", error=type(error).__name__)
    log.error("%s", sentence, exc_info=None if conn_id else error)


def _notifiers(settings: Settings, message: Message) -> Iterator[BaseNotifier]:
    # The webhook first: it has half a minute, while a mail server that hangs may take longer than Airflow lets a callback live.
    if settings.alert_webhook_conn_id:
        from tablero.airflow.alerts.webhook import WebhookNotifier

        yield WebhookNotifier(
            http_conn_id=settings.alert_webhook_conn_id,
            json=message.json,
            headers={"Content-Type": "application/json"},
            extra_options=_PATIENCE,
        )
    if settings.alert_emails:
        yield _mail(settings, message)


def _mail(settings: Settings, message: Message) -> BaseNotifier:
    from airflow.providers.smtp.hooks.smtp import SmtpHook
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    class Hook(SmtpHook):
        """Adds a plain text part: Airflow's own hook sends HTML only."""

        def _build_mime_message(self, *args: Any, **kwargs: Any) -> Any:
            whole, recipients = super()._build_mime_message(*args, **kwargs)
            parts = list(whole.get_payload())
            both = MIMEMultipart("alternative")
            both.attach(MIMEText(message.text, "plain", "utf-8"))
            both.attach(parts[0])
            whole.set_payload([both, *parts[1:]])
            return whole, recipients

    class Notifier(SmtpNotifier):
        @cached_property
        def hook(self) -> SmtpHook:
            return Hook(smtp_conn_id=self.smtp_conn_id, auth_type=self.auth_type)

    return Notifier(
        to=list(settings.alert_emails), subject=message.subject, html_content=message.html, files=list(message.files)
    )
