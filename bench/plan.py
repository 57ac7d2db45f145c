"""Who runs when, on how many rows: all of it in about ten minutes, for each contender where that shows what it can do."""

from __future__ import annotations

from typing import NamedTuple

#: The outbox in an SQLite file: the same contender, at the first latency alone.
SQLITE = "tablero_sqlite"

CONTENDERS = ("tablero", SQLITE, "guide", "http_hook", "dlt_destination", "dlt_arrow", "drt_rest")

#: Those that can have several calls in flight.
CONCURRENT = {"tablero", SQLITE, "dlt_destination", "dlt_arrow"}

#: Those that take turns several times where nobody waits for the sink: their rates lie close together.
_CLOSE = {"tablero", SQLITE, "guide", "http_hook"}

#: Those that are so much slower that a part of the rows shows it.
_SLOW = {"dlt_destination", "dlt_arrow", "drt_rest"}


class Turns(NamedTuple):
    """The runs of one contender at one latency.

    :ivar latency: of the sink, in seconds.
    :ivar rows: how many it sends.
    :ivar rounds: how often it has its turn.
    """

    contender: str
    latency: float
    rows: int
    rounds: int


def plan(rows: int, latencies: list[float], rounds: list[int], only: list[str]) -> list[Turns]:
    """Every contender's turns, by latency.

    One call at a time sends so many rows a call, whatever their number: with a slow sink a tenth of the rows says the same.

    :param rounds: at each of ``latencies``, for contenders whose rates lie close together; the others have one.
    """
    return [
        Turns(contender, latency, _rows(contender, latency, rows), turns if contender in _CLOSE else 1)
        for latency, turns in zip(latencies, rounds, strict=True)
        for contender in CONTENDERS
        if contender in only and (contender != SQLITE or latency == latencies[0])
    ]


def _rows(contender: str, latency: float, rows: int) -> int:
    if contender not in CONCURRENT and latency >= 0.2:
        return rows // 10
    if contender in _SLOW or (contender not in CONCURRENT and latency > 0):
        return rows // 4
    return rows
