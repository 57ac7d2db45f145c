"""Alerts on their way: queued in the outbox with the decision to send them, and sent by this callback or a later one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from sqlalchemy.engine import Connection, Engine
from tablero.airflow.alerts.channels import Message, configured, send
from tablero.airflow.alerts.content import Alert
from tablero.outbox.alerts import queue
from tablero.outbox.alerts.queue import Queued
from tablero.settings import Settings

#: Seconds after the last call in which the result is stored.
_MARGIN = 30.0


def enqueue(
    connection: Connection, settings: Settings, alert: Alert, *, now: datetime, channels: Collection[str] | None = None
) -> None:
    """Queue an alert.

    :param connection: of the transaction that decides it.
    :param channels: instead of all those in the settings.
    """
    message = Message.of(alert)._asdict()
    queue.put(connection, configured(settings) if channels is None else channels, message, now=now)


def send_queued(engine: Engine, settings: Settings, *, now: datetime, seconds: float) -> None:
    """Send the alerts that wait, oldest first.

    Each channel gets each alert once, however the others fare: mail that works does not end the attempts by a webhook that does
    not. An alert that is refused is tried again after all others. Twice only if this process ends between an alert and the
    record of it.

    :param seconds: for all channels together.
    """
    claimed = queue.claim(engine, configured(settings), now=now, seconds=seconds + _MARGIN)
    if not claimed:
        return
    waiting: defaultdict[str, list[Queued]] = defaultdict(list)
    for one in claimed:
        waiting[one.channel].append(one)
    messages = {channel: [Message(**one.message) for one in some] for channel, some in waiting.items()}
    answers = send(settings, messages, seconds=seconds)
    answered = [pair for channel, some in waiting.items() for pair in zip(some, answers[channel], strict=False)]
    queue.settle(
        engine,
        claimed,
        taken={one.id for one, is_taken in answered if is_taken},
        refused={one.id for one, is_taken in answered if not is_taken},
    )


def send_at_once(settings: Settings, alert: Alert, *, seconds: float) -> bool:
    """Send an alert that cannot be queued; returns whether a channel has taken it.

    One is enough: without the outbox nothing remembers which, and an alert twice a night is soon read by nobody.
    """
    messages = {channel: [Message.of(alert)] for channel in configured(settings)}
    return any(map(any, send(settings, messages, seconds=seconds).values()))
