"""A worker that sends and prints, after each record, which batches it knows to be acknowledged.

``python -m tests.hostile.sender OUTBOX``: a line for each record, the size of the write-ahead log and the ids of batches.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.outbox.engine import connect
from tablero.outbox.queue import recording
from tablero.outbox.queue.claims import Claim
from tablero.outbox.queue.recording import Exchanged

from tests.integration.samples import FEBRUARY, clock, settings


class Dashboard:
    """Accepts everything after a moment."""

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        time.sleep(0.002)
        return Answer(Outcome.DELIVERED, status=201)


def main(path: Path) -> None:
    """Send everything pending."""
    exchange = recording.exchange
    log = path.with_name(path.name + "-wal")

    def exchange_and_report(engine: Engine, answers: Sequence[tuple[Claim, Answer]], *more: Any, **rest: Any) -> Exchanged:
        exchanged = exchange(engine, answers, *more, **rest)
        if answers:
            ids = " ".join(str(claim.batch_id) for claim, _ in answers)
            sys.stdout.write(f"{log.stat().st_size} {ids}\n")
            sys.stdout.flush()
        return exchanged

    recording.exchange = exchange_and_report
    send(connect(f"sqlite:///{path}"), Dashboard, settings(concurrency="4"), [FEBRUARY], Run("run", clock))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
