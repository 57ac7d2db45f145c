"""A status change: its five fields, and its identity.

Source: the publisher's guide (Burocracia Cero, "Tablero de Monitoreo - APIs Externos", v1.3.1), its section on payload. What
the guide leaves open is marked *ours*.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

#: The columns of the view and keys of the wire form, in the order of the contract.
FIELDS = ("service_id", "request_id", "opening_date", "status_id", "last_modified_date")

#: Longest id that is sent, in characters (*ours*: the guide gives no limit; 255 is probably the limit of its database).
MAX_ID_LENGTH = 255

#: Blanks that a source may have beside an id: columns are padded with spaces, and files leave the others.
_BLANKS = (*(" " * number for number in range(1, 65)), "\t", "\n", "\r\n", "\u00a0")


def spellings(identifier: str) -> list[str]:
    """How a source may write an id that is sent without the blanks around it: as it is sent, or with blanks on one side.

    A database finds these by an index on its column, and any id that contains this one only by reading all of them.
    """
    padded = (pair for blanks in _BLANKS for pair in (identifier + blanks, blanks + identifier))
    return [identifier, *padded]


class StatusChange(NamedTuple):
    """One entry of the contract: a request changed to a status at an instant.

    All five values together are its identity: a corrected row is a different status change.

    :ivar service_id: the id that Burocracia Cero assigned to the service.
    :ivar request_id: the id of the request, unique within the institution.
    :ivar opening_date: when the request was opened; timezone-aware, in UTC.
    :ivar status_id: a key of ``statuses.STATUSES``, or one of the setting ``extra_statuses``.
    :ivar last_modified_date: the instant of this change; timezone-aware, in UTC.
    """

    service_id: str
    request_id: str
    opening_date: datetime
    status_id: int
    last_modified_date: datetime


#: Builds a status change from a tuple of its five values; three times as fast as calling :class:`StatusChange`.
of_values: Callable[[tuple[Any, ...]], StatusChange] = partial(tuple.__new__, StatusChange)
