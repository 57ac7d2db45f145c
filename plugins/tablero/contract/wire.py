"""The wire form of a batch: the body of a call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import starmap

import msgspec
from tablero.contract.status_change import StatusChange


class _Entry(msgspec.Struct, gc=False):
    """An entry, with its keys in the order of the contract."""

    service_id: str
    request_id: str
    opening_date: datetime
    status_id: int
    last_modified_date: datetime


class _Body(msgspec.Struct, gc=False):
    requests: list[_Entry]


_encoder = msgspec.json.Encoder()


def encode(changes: Iterable[StatusChange]) -> bytes:
    """The body of a call: UTF-8 JSON, keys in the order of the contract, instants in UTC with ``Z``.

    Fractions of a second are written with six digits, and only if there are any.
    """
    return _encoder.encode(_Body(list(starmap(_Entry, changes))))
