"""The run for which a use case works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Run:
    """A run as its use cases see it: its name, its clock, and what a person allowed it to do.

    :ivar id: of the run; stored with all that it reads, posts and proves.
    :ivar clock: this machine's clock in UTC. Leases use the outbox's clock.
    :ivar resend: make the delivered rows that the source still has pending again, once per run.
    :ivar accept_changes: stage even if most of what was delivered seems to have changed (see :mod:`tablero.delivery.brake`).
    """

    id: str
    clock: Clock
    resend: bool = False
    accept_changes: bool = False
