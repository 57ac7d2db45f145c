"""Use case: load windows. Staged batches are posted while the rest is still being read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Attempt, log_line
from tablero.delivery.posting.job import Client
from tablero.delivery.rows import Tally
from tablero.delivery.run import Run
from tablero.delivery.sending import Delivery, send
from tablero.delivery.staging import rare_collections, stage_in_steps
from tablero.outbox.batches import Lease, LeasedBatch
from tablero.settings import Settings
from tablero.source.reader import Source


def load(
    engine: Engine,
    source: Source,
    connect: Callable[[], Client],
    settings: Settings,
    windows: Sequence[Window],
    run: Run,
    observe: Callable[[Attempt], None] = log_line,
) -> tuple[list[Tally], Delivery]:
    """Stage ``windows`` one after another, and meanwhile post what is pending in any of them.

    All windows are staged even if the dashboard accepts nothing, so that a retry only has to post.

    :param engine: of the outbox.
    :param connect: creates the client; called at most once, when there is something to post.
    :param observe: called with every recorded attempt; by default it logs a line.
    :returns: what each window held, and what was sent.
    :raises SourceUnavailable, SetupError, OutboxUnavailable: as :func:`tablero.delivery.staging.stage`.
    :raises DashboardError, DashboardUnavailable, WindowBusy, Deferral: as :func:`tablero.delivery.sending.send`.
    """
    tallies = [Tally(window) for window in windows]

    def staging(lease: Callable[[], Lease | None]) -> Iterator[Sequence[LeasedBatch]]:
        for tally in tallies:
            yield from stage_in_steps(engine, source, settings, tally, run, lease)

    with rare_collections():
        delivery = send(engine, connect, settings, windows, run, observe=observe, staging=staging, cancel=source.cancel)
    return tallies, delivery
