"""What a pass is about: fixed before it begins, and shared by its parts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Attempt
from tablero.delivery.posting.hours import SendHours
from tablero.outbox.queue.claims import Hold
from tablero.settings import Settings


class Client(Protocol):
    """Posts a batch; :class:`tablero.dashboard.client.Dashboard`, or a stand-in in tests."""

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        """Post the wire form of a batch once."""
        ...


@dataclass(frozen=True)
class Job:
    """What a pass is about.

    :ivar engine: the outbox.
    :ivar connect: makes the client; called at most once, when there is something to post.
    :ivar windows: batches with rows in one of them are posted.
    :ivar hold: the lease under which they are claimed.
    :ivar clock: this machine's, for ``send_hours`` alone.
    :ivar observe: called with every attempt, once it is recorded.
    """

    engine: Engine
    connect: Callable[[], Client]
    settings: Settings
    windows: Collection[Window]
    hold: Hold
    clock: Callable[[], datetime]
    observe: Callable[[Attempt], None]

    @property
    def is_within_hours(self) -> bool:
        """Whether ``send_hours`` are open now."""
        hours = self.settings.send_hours
        return hours is None or SendHours(*hours, self.settings.timezone).open_at(self.clock())

    def window_of(self, moment: datetime) -> str | None:
        """The label of the window in which a status changed; ``None`` if it is none of this pass."""
        return next((window.label for window in self.windows if moment in window), None)
