"""The rows of a batch as one compressed value: msgpack, which preserves instants to the microsecond, and zlib.

Measured with 1000 rows a batch (Python 3.11): 10 to 17 bytes a row, with numbered or random ids; 0.3 to 0.5 µs a row to pack,
and as much to unpack. A columnar layout of integers is not smaller and takes three times as long to pack.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence

import msgspec
from tablero.contract.status_change import StatusChange

#: The fastest level; level 6 takes four times as long and saves a tenth.
_LEVEL = 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[StatusChange]).decode


def pack_rows(changes: Sequence[StatusChange]) -> bytes:
    """Serialise rows, in the order in which they are posted."""
    return zlib.compress(_encode(changes), _LEVEL)


def unpack_rows(content: bytes) -> list[StatusChange]:
    """The reverse of :func:`pack_rows`; instants are in UTC."""
    return _decode(zlib.decompress(content))


def request_hash(request_id: str) -> bytes:
    """A four-byte hash of a request id, the same on every machine."""
    return zlib.crc32(request_id.encode()).to_bytes(4, "big")


def request_hashes(changes: Sequence[StatusChange]) -> bytes:
    """The sorted distinct hashes of the requests in a batch; searching for a request checks them before unpacking rows."""
    requests = {change.request_id for change in changes}
    hashes = array("I", sorted({zlib.crc32(request.encode()) for request in requests}))
    hashes.byteswap()
    return hashes.tobytes()


def service_of(changes: Sequence[StatusChange]) -> str | None:
    """The service of all rows, or ``None`` if they belong to several."""
    services = {change.service_id for change in changes}
    return services.pop() if len(services) == 1 else None
