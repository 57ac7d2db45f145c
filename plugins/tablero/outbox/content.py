"""The rows of a batch as one compressed value: column by column in msgpack, which preserves instants to the microsecond, and
zlib.

Measured with 1000 rows a batch (Python 3.11): 8 to 12 bytes a row where the ids are numbers, 17 to 30 where they are random
UUIDs; 0.2 to 0.7 µs a row to pack, and 0.4 µs to unpack. Row by row it was up to a fifth more, and quicker to unpack by 0.1 µs.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import msgspec
from tablero.contract.status_change import StatusChange, of_values

#: The fastest level; level 6 takes four times as long and saves a tenth.
_LEVEL = 1

#: The first byte of a value, which says how it is laid out. One written before schema 0009 is a list of rows, and begins with
#: the first byte of zlib itself.
_BY_COLUMN, _BY_ROW = b"\x02", b"\x78"

_service, _request = (itemgetter(StatusChange._fields.index(name)) for name in ("service_id", "request_id"))

_encode = msgspec.msgpack.Encoder().encode
_decode_columns = msgspec.msgpack.Decoder(tuple[list[str], list[str], list[datetime], list[int], list[datetime]]).decode
_decode_rows = msgspec.msgpack.Decoder(list[StatusChange]).decode


def pack_rows(changes: Sequence[StatusChange]) -> bytes:
    """Serialise rows, at least one, in the order in which they are posted."""
    return _BY_COLUMN + zlib.compress(_encode(tuple(zip(*changes, strict=True))), _LEVEL)


def unpack_rows(content: bytes) -> list[StatusChange]:
    """The reverse of :func:`pack_rows`; instants are in UTC."""
    if content[:1] == _BY_ROW:
        return _decode_rows(zlib.decompress(content))
    columns = _decode_columns(zlib.decompress(memoryview(content)[1:]))
    return list(map(of_values, zip(*columns, strict=True)))


def request_hash(request_id: str) -> bytes:
    """A four-byte hash of a request id, the same on every machine."""
    return zlib.crc32(request_id.encode()).to_bytes(4, "big")


def request_hashes(changes: Sequence[StatusChange]) -> bytes:
    """The sorted distinct hashes of the requests in a batch; searching for a request checks them before unpacking rows."""
    requests = map(str.encode, set(map(_request, changes)))
    hashes = array("I", sorted(set(map(zlib.crc32, requests))))
    if sys.byteorder == "little":
        hashes.byteswap()
    return hashes.tobytes()


def hashes_in(requests: bytes) -> frozenset[int]:
    """The hashes in a value of :func:`request_hashes`, to be compared with those of others."""
    return frozenset(array("I", requests))


def service_of(changes: Sequence[StatusChange]) -> str | None:
    """The service of all rows, or ``None`` if they belong to several."""
    services = set(map(_service, changes))
    return services.pop() if len(services) == 1 else None
