"""Use case: load windows. What is staged is posted at once, while the rest is still being read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Attempt, log_line
from tablero.delivery.posting.pump import Client
from tablero.delivery.sending import Delivery, send
from tablero.delivery.staging import Clock, Tally, frozen_heap, stage_in_steps
from tablero.outbox.batches import Fresh, Lease
from tablero.settings import Settings
from tablero.source.reader import Source


def load(
    engine: Engine,
    source: Source,
    connect: Callable[[], Client],
    settings: Settings,
    windows: Sequence[Window],
    *,
    run_id: str,
    clock: Clock,
    observe: Callable[[Attempt], None] = log_line,
    accept_changes: bool = False,
) -> tuple[list[Tally], Delivery]:
    """Stage ``windows`` one after another, and post what is pending in any of them meanwhile.

    All of them are staged even where the dashboard takes nothing, so that a retry has only to post.

    :param engine: of the outbox.
    :param connect: called once there is something to post, and then once.
    :param observe: told of every attempt that is on record; writes its line in the log.
    :param accept_changes: as in :func:`tablero.delivery.staging.stage`.
    :returns: what each window held, and what was sent.
    :raises SourceUnavailable, SetupError, OutboxUnavailable: as :func:`tablero.delivery.staging.stage` does.
    :raises DashboardError, DashboardUnavailable, WindowBusy, OutsideHours: as :func:`tablero.delivery.sending.send` does.
    """
    tallies = [Tally(window) for window in windows]

    def staging(lease: Callable[[], Lease | None]) -> Iterator[Sequence[Fresh]]:
        for tally in tallies:
            yield from stage_in_steps(
                engine, source, settings, tally, run_id=run_id, clock=clock, lease=lease, accept_changes=accept_changes
            )

    with frozen_heap():
        delivery = send(
            engine,
            connect,
            settings,
            windows,
            run_id=run_id,
            clock=clock,
            observe=observe,
            staging=staging,
            cancel=source.cancel,
        )
    return tallies, delivery
