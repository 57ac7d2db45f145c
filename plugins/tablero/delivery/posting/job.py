"""The parameters of a pass, shared by its components."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Attempt
from tablero.delivery.posting.hours import SendHours
from tablero.outbox.queue.claims import Leaseholder
from tablero.settings import Settings


class Client(Protocol):
    """Posts a batch; implemented by :class:`tablero.dashboard.client.Dashboard`, and by fakes in tests."""

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        """Post the wire form of a batch once."""
        ...


@dataclass(frozen=True)
class Job:
    """The parameters of a pass.

    :ivar engine: of the outbox.
    :ivar connect: creates the client; called at most once, when there is something to post.
    :ivar settings: the settings.
    :ivar windows: batches that touch one of them are posted.
    :ivar holder: the worker and the length of its leases.
    :ivar clock: this machine's clock in UTC, for ``send_hours`` only.
    :ivar observe: called with every attempt, once it is recorded.
    """

    engine: Engine
    connect: Callable[[], Client]
    settings: Settings
    windows: Collection[Window]
    holder: Leaseholder
    clock: Callable[[], datetime]
    observe: Callable[[Attempt], None]

    @property
    def is_within_hours(self) -> bool:
        """Whether ``send_hours`` are open now."""
        hours = self.settings.send_hours
        return hours is None or SendHours(*hours, self.settings.timezone).open_at(self.clock())

    def window_of(self, moment: datetime) -> str | None:
        """The label of the window of this pass that contains an instant; ``None`` if there is none."""
        return next((window.label for window in self.windows if moment in window), None)
