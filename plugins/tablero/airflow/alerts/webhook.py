"""Calls of a webhook or of a monitor, whose address is a secret: whoever knows it may post there.

Slack, Telegram, Teams and healthchecks.io have the secret in the path or in the query. Airflow's hook logs the address when a
call fails, and the errors of the libraries below it quote it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.http.notifications.http import HttpNotifier
from airflow.sdk.exceptions import AirflowException
from airflow.sdk.log import mask_secret
from tablero.airflow.alerts.refusal import Refused
from tablero.dashboard.redaction import Redactor, address_secrets, connection_secrets

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: What a call may log by: this module, and the library below the hook.
_LOGGERS = (log, logging.getLogger("urllib3.connectionpool"))


#: Statuses of a server that has no time for any message, or of a proxy before it: they say nothing about this one.
_OF_ANY_MESSAGE = {408, 429, 502, 503, 504}


class _LogsHere:
    @property
    def log(self) -> Any:
        """This module's logger, instead of one that nobody can redact."""
        return log


class _Hook(_LogsHere, HttpHook):
    """Airflow's hook, with a connection that was looked up before."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._connection = connection

    def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]  # a class method in the base class
        """The connection."""
        return self._connection

    def check_response(self, response: Any) -> None:
        """Tell an answer about the message apart from one about the server."""
        try:
            super().check_response(response)
        except AirflowException as error:
            if response.status_code in _OF_ANY_MESSAGE:
                raise
            raise Refused from error


class WebhookNotifier(_LogsHere, HttpNotifier):
    """Airflow's notifier, which keeps the address and the headers of its connection out of the log."""

    def prepare(self) -> None:
        """Look the connection up and have its secrets masked: Airflow does both only where a callback runs, not in a thread
        beside it."""
        for secret in self._redact.secrets:
            mask_secret(secret)

    @cached_property
    def hook(self) -> HttpHook:
        """The hook that calls."""
        return _Hook(HttpHook.get_connection(self.http_conn_id), method=self.method, http_conn_id=self.http_conn_id)

    @cached_property
    def _redact(self) -> Redactor:
        connection = self.hook.get_connection(self.http_conn_id)
        return Redactor(connection_secrets(connection, connection.extra_dejson) | address_secrets(connection.host or ""))

    def notify(self, context: Context) -> None:
        """Send."""
        with _redacted(self._redact):
            super().notify(context)


@contextmanager
def _redacted(redact: Redactor) -> Iterator[None]:
    """Redact what is logged meanwhile. Airflow's masking alone is not enough: it depends on the process and its configuration,
    and another process writes the log of a callback."""
    chosen = _Redacting(redact)
    for logger in _LOGGERS:
        logger.addFilter(chosen)
    try:
        yield
    finally:
        for logger in _LOGGERS:
            logger.removeFilter(chosen)


class _Redacting(logging.Filter):
    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redact(record.getMessage()), None
        return True
