"""The runs of each contender, and their rows: about ten minutes in total."""

from __future__ import annotations

from typing import NamedTuple

#: The same contender with its outbox in an SQLite file, only at the first latency.
SQLITE = "tablero_sqlite"

CONTENDERS = ("tablero", SQLITE, "guide", "http_hook", "dlt_destination", "dlt_arrow", "drt_rest")

#: Contenders that can have several calls in flight.
CONCURRENT = {"tablero", SQLITE, "dlt_destination", "dlt_arrow"}

#: Contenders that run several times where the sink has no latency: their rates are close together.
_CLOSE = {"tablero", SQLITE, "guide", "http_hook"}

#: Contenders so slow that a part of the rows is enough.
_SLOW = {"dlt_destination", "dlt_arrow", "drt_rest"}


class Turns(NamedTuple):
    """The runs of one contender at one latency.

    :ivar latency: of the sink, in seconds.
    :ivar rows: number of rows sent.
    :ivar rounds: number of runs.
    """

    contender: str
    latency: float
    rows: int
    rounds: int


def plan(rows: int, latencies: list[float], rounds: list[int], only: list[str]) -> list[Turns]:
    """Every contender's runs, by latency.

    With one call at a time the rate does not depend on the number of rows: with a slow sink a tenth of them is enough.

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
