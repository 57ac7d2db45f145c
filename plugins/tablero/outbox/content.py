"""The rows of a batch as one value: msgpack, which keeps instants to the microsecond, compressed.

Measured with 1000 rows a batch (Python 3.11): 10 to 17 bytes a row, whether ids are numbered or random; 0.3 to 0.5 µs a row to
pack, 0.3 to 0.5 to unpack. Columns of integers are no smaller, and their packing takes three times as long.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence

import msgspec
from tablero.contract.status_change import StatusChange

#: The quickest: 6 takes four times as long for a tenth less.
_LEVEL = 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[StatusChange]).decode


def pack_rows(changes: Sequence[StatusChange]) -> bytes:
    """The rows of a batch, in the order in which they are posted, as they are kept."""
    return zlib.compress(_encode(changes), _LEVEL)


def unpack_rows(content: bytes) -> list[StatusChange]:
    """What :func:`pack_rows` was given; instants in UTC."""
    return _decode(zlib.decompress(content))


def request_hash(request_id: str) -> bytes:
    """Four bytes that stand for a request, the same on every machine."""
    return zlib.crc32(request_id.encode()).to_bytes(4, "big")


def request_hashes(changes: Sequence[StatusChange]) -> bytes:
    """The hashes of the requests in a batch, each once, in order: a request is looked for among them before rows are read."""
    requests = {change.request_id for change in changes}
    hashes = array("I", sorted({zlib.crc32(request.encode()) for request in requests}))
    hashes.byteswap()
    return hashes.tobytes()


def service_of(changes: Sequence[StatusChange]) -> str | None:
    """The service that all rows of a batch belong to, if it is one."""
    services = {change.service_id for change in changes}
    return services.pop() if len(services) == 1 else None
