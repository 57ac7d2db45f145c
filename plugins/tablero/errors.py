"""Everything that can go wrong, in one small tree.

::

    TableroError
    ├── PermanentError            a person must act; trying again cannot help
    │   ├── SettingsError         a key of [tablero] has a wrong value
    │   ├── ParameterError        a run was triggered with parameters that make no sense
    │   ├── SetupError            a connection, a database or a table is missing or of the wrong kind
    │   ├── WindowUnreadable      the source's server cut a reading off, by a limit of its own
    │   ├── DashboardError        the dashboard or X-Road says no, and will say no again
    │   ├── ImplausibleReading    a reading looks as if every row of a window had changed at once
    │   └── NotSettledError       a run ended with rows which are neither delivered, rejected nor excluded
    └── TransientError            the same call may succeed later
        ├── SourceUnavailable     the institution's database did not answer
        ├── OutboxUnavailable     the outbox did not answer, is locked or full
        ├── DashboardUnavailable  batches were posted without an acknowledgement
        ├── DashboardBusy         it asks to wait, and takes rows: the task goes on later, at no cost of a try
        ├── WindowBusy            another worker holds what is left of the window
        └── OutsideHours          ``send_hours`` have closed; the task waits for the next opening, at no cost of a try

The retry policy (``airflow.retries``) reads two things off an error: whether it is transient, and ``retry_after``.
Exceptions of libraries are translated where they enter (``source``, ``outbox.engine``, ``dashboard.client``), always
``from`` their cause.
"""

from __future__ import annotations

from datetime import datetime

from tablero.texts.text import Text, verbatim


class TableroError(Exception):
    """Root of all errors that this package raises on purpose.

    :param message: what happened, to what, and what to do, in both languages; shown to the operator as it is.
    :param retry_after: seconds to wait before the next try, if the other side said so.
    """

    def __init__(self, message: Text, *, retry_after: float | None = None) -> None:
        super().__init__(str(message))
        # Typed as a text of the catalogue, which mypy holds; tests raise errors with plain words.
        self.text = message if isinstance(message, Text) else verbatim(str(message))
        self.retry_after = retry_after


class PermanentError(TableroError):
    """A person must act; trying again cannot help."""


class SettingsError(PermanentError):
    """A key of section ``[tablero]`` is unknown or has a wrong value."""


class ParameterError(PermanentError):
    """A run was triggered with parameters that make no sense."""


class SetupError(PermanentError):
    """A connection, a database, a table or a column is missing or of the wrong kind."""


class WindowUnreadable(PermanentError):
    """The source's server cut a reading off by a limit of its own (``statement_timeout``); other windows may be read."""


class DashboardError(PermanentError):
    """The dashboard or X-Road says no, and will say no again until someone changes something."""


class ImplausibleReading(PermanentError):
    """A reading looks as if every row of a window had changed at once; nothing of it is sent until a person says so."""


class NotSettledError(PermanentError):
    """A run ended with rows which are neither delivered, rejected nor excluded, or with a sum that does not close."""


class TransientError(TableroError):
    """The same call may succeed later."""


class SourceUnavailable(TransientError):
    """The institution's database did not answer."""


class OutboxUnavailable(TransientError):
    """The outbox did not answer, is locked, full or read-only."""


class DashboardUnavailable(TransientError):
    """Batches were posted without an acknowledgement; they stay pending."""


class DashboardBusy(TransientError):
    """The dashboard asks to wait, and has taken something in this try: the task goes on later, at no cost of a try.

    :param resume_at: when it may be asked again, in UTC.
    """

    def __init__(self, message: Text, *, resume_at: datetime) -> None:
        super().__init__(message)
        self.resume_at = resume_at


class WindowBusy(TransientError):
    """Another worker holds what is left of the window under its lease."""


class OutsideHours(TransientError):
    """``send_hours`` have closed.

    :param opens_at: the next opening, in UTC.
    """

    def __init__(self, message: Text, *, opens_at: datetime) -> None:
        super().__init__(message)
        self.opens_at = opens_at
