"""A mail with a plain text beside its HTML."""

from __future__ import annotations

from collections.abc import Sequence
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from functools import cached_property
from smtplib import SMTPDataError
from typing import TYPE_CHECKING, Any

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from tablero.airflow.alerts.refusal import Refused

if TYPE_CHECKING:
    from airflow.sdk import Context


class _Hook(SmtpHook):
    """Airflow's hook, with a connection that was looked up before; adds the text, since Airflow's own sends HTML only."""

    def __init__(self, connection: Any, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._connection = connection
        self._text = text

    def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]  # a class method in the base class
        """The connection."""
        return self._connection

    def _build_mime_message(self, *args: Any, **kwargs: Any) -> Any:
        whole, recipients = super()._build_mime_message(*args, **kwargs)
        parts = list(whole.get_payload())
        both = MIMEMultipart("alternative")
        both.attach(MIMEText(self._text, "plain", "utf-8"))
        both.attach(parts[0])
        whole.set_payload([both, *parts[1:]])
        return whole, recipients


class MailNotifier(SmtpNotifier):
    """Airflow's notifier, with a text.

    :param text: the same as ``html`` in plain text.
    :param files: paths of what is attached.
    """

    def __init__(self, *, to: Sequence[str], subject: str, text: str, html: str, files: Sequence[str]) -> None:
        super().__init__(to=list(to), subject=subject, html_content=html, files=list(files))
        self._text = text

    def prepare(self) -> None:
        """Look the connection up: Airflow answers for connections only where a callback runs, not in a thread beside it."""
        self.hook  # noqa: B018

    @cached_property
    def hook(self) -> SmtpHook:
        """The hook that sends."""
        connection = SmtpHook.get_connection(self.smtp_conn_id)
        return _Hook(connection, self._text, smtp_conn_id=self.smtp_conn_id, auth_type=self.auth_type)

    def notify(self, context: Context) -> None:
        """Send."""
        try:
            super().notify(context)
        except SMTPDataError as error:  # the answer to the text of a message, as of one that is too large
            if error.smtp_code < 500:
                raise
            raise Refused from error
