"""The cost of a row when there are many, and of a day when many rows are on record: both should stay constant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from bench import data
from bench.report import Result
from bench.running import run
from bench.servers import Postgres

#: A day after all others, and the number of status changes added to it.
_DAY = date(2026, 11, 20)
_ROWS_OF_A_DAY = 400


def measure(server: Postgres, new_outbox: Callable[[], str], sizes: list[int], ids: str) -> None:
    """Load this many rows, then a day of :data:`_ROWS_OF_A_DAY`, for each size on a new outbox; print the time of both.

    For comparison, the day is also loaded into an empty outbox.

    :param new_outbox: creates an empty database, and returns its URL.
    :param ids: of the requests, a key of :data:`bench.data.IDS`.
    """
    for rows in sizes:
        source = server.database("institution")
        count = data.fill(source, rows, ids=ids)
        outbox = new_outbox()
        load = run("tablero", server, source, outbox, 0.0)
        _print(f"{count:,} rows", load)
        data.add_day(source, _DAY, _ROWS_OF_A_DAY)
        _print(f"a day of {_ROWS_OF_A_DAY} with {count:,} on record", _day(server, source, outbox))
        _print(f"a day of {_ROWS_OF_A_DAY} with none on record", _day(server, source, new_outbox()))


def _day(server: Postgres, source: str, outbox: str) -> Result:
    return run("tablero", server, source, outbox, 0.0, "--day", _DAY.isoformat())


def _print(what: str, result: Result) -> None:
    print(
        f"{what}: {result.seconds:.2f} s, {result.rate:,.0f} rows/s, CPU a row {result.cpu:.1f} µs, in all"
        f" {result.client:.2f} + {result.server:.2f} s, {result.peak:.0f} MiB,"
        f" {result.size / result.rows:.1f} bytes of outbox a row sent",
        flush=True,
    )
