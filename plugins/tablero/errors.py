"""All errors of this package, in one small tree.

::

    TableroError
    ├── PermanentError            a person must act; a retry cannot help
    │   ├── SettingsError         a key of [tablero] has a wrong value
    │   ├── ParameterError        a run was triggered with invalid parameters
    │   ├── SetupError            a connection, a database or a table is missing or of the wrong kind
    │   ├── WindowUnreadable      the source's server ended a query because of its own time limit
    │   ├── DashboardError        the dashboard or X-Road refuses, and will refuse again
    │   ├── ImplausibleReading    a reading looks as if every row of a window had changed at once
    │   └── NotSettledError       a run ended with windows that are not settled, or were not read
    └── TransientError            the same call may succeed later
        ├── SourceUnavailable     the institution's database did not answer
        ├── OutboxUnavailable     the outbox did not answer, is locked or full
        ├── DashboardUnavailable  batches were posted without an acknowledgement
        ├── WindowBusy            rows wait for others, or a worker may be posting them
        └── Deferral              the task is deferred, which uses up no try
            ├── DashboardBusy     the dashboard asks to wait
            ├── RowsLeased        another worker is posting what is left
            └── OutsideHours      ``send_hours`` have closed

The retry policy (``airflow.retries``) uses two properties of an error: its branch, and ``retry_after``.
Exceptions of libraries are translated where they enter (``source.failures``, ``outbox.engine``, ``dashboard.client``), always
``from`` their cause.
"""

from __future__ import annotations

from datetime import datetime

from tablero.texts.text import Text, verbatim


class TableroError(Exception):
    """Root of all errors that this package raises on purpose.

    :param message: what happened, where, and what to do, in both languages; shown to the operator as it is.
    :param retry_after: seconds to wait before the next try, if the other side specified it.
    """

    def __init__(self, message: Text, *, retry_after: float | None = None) -> None:
        super().__init__(str(message))
        # Typed as a text of the catalogue, which mypy enforces; tests raise errors with plain strings.
        self.text = message if isinstance(message, Text) else verbatim(str(message))
        self.retry_after = retry_after


class PermanentError(TableroError):
    """A person must act; a retry cannot help."""


class SettingsError(PermanentError):
    """A key of section ``[tablero]`` is unknown or has a wrong value."""


class ParameterError(PermanentError):
    """A run was triggered with invalid parameters."""


class SetupError(PermanentError):
    """A connection, a database, a table or a column is missing or of the wrong kind."""


class WindowUnreadable(PermanentError):
    """The source's server ended a query because of its own time limit (``statement_timeout``); others may be readable."""


class DashboardError(PermanentError):
    """The dashboard or X-Road refuses, and will refuse again until someone changes something."""


class ImplausibleReading(PermanentError):
    """A reading looks as if every row of a window had changed at once; nothing of it is sent until a person confirms it."""


class NotSettledError(PermanentError):
    """A run ended with rows that are neither delivered, rejected nor excluded, with counts that do not add up, or without
    having read anything; usually the consequence of an error that an earlier task raised."""


class TransientError(TableroError):
    """The same call may succeed later."""


class SourceUnavailable(TransientError):
    """The institution's database did not answer."""


class OutboxUnavailable(TransientError):
    """The outbox did not answer, is locked, full or read-only."""


class DashboardUnavailable(TransientError):
    """Batches were posted without an acknowledgement; they stay pending."""


class WindowBusy(TransientError):
    """Rows wait for earlier changes that are pending in another window, or a worker may be posting them just now."""


class Deferral(TransientError):
    """The task has to wait: it is deferred, and uses up no try.

    :param resume_at: when it goes on, in UTC.
    """

    def __init__(self, message: Text, *, resume_at: datetime) -> None:
        super().__init__(message)
        self.resume_at = resume_at


class DashboardBusy(Deferral):
    """The dashboard asks to wait, after it has accepted something."""


class RowsLeased(Deferral):
    """Another worker has a lease on what is left; the task goes on once that worker may be done."""


class OutsideHours(Deferral):
    """``send_hours`` have closed; the task goes on when they open."""
