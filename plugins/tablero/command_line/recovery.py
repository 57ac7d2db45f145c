"""Commands for recovery: ``adopt`` records rows as delivered, ``move`` copies the outbox to another database."""

from __future__ import annotations

import argparse
import getpass
import os
from datetime import datetime

from tablero.command_line.printing import say
from tablero.texts import command_line as texts


def adopt(asked: argparse.Namespace) -> int:
    """Record as delivered what the source has up to a day, or one batch; without ``--yes`` only print how many rows that is."""
    return _adopt_batch(asked) if asked.batch is not None else _adopt_until(asked)


def _adopt_until(asked: argparse.Namespace) -> int:
    from tablero.airflow import configuration
    from tablero.delivery.adopting import adopt_all, plan_adoption
    from tablero.delivery.run import Run
    from tablero.delivery.staging import preview
    from tablero.outbox import target

    settings, clock = configuration.read_settings(), configuration.clock
    windows = plan_adoption(settings, first=asked.first, until=asked.until, now=clock())
    with configuration.source(settings) as source:
        if not asked.yes:
            run = Run(_run_id(clock()), clock)
            rows = sum(preview(None, source, settings, window, run).new for window in windows)
            say(texts.WOULD_ADOPT(rows=rows))
            return 0
        with configuration.outbox() as engine:
            url = configuration.dashboard(settings).url
            target.remember(engine, target.name_of(settings, url), clock())
            run_id = _run_id(clock())
            rows = 0
            for tally, adopted in adopt_all(engine, source, settings, windows, by=_user(), run_id=run_id, clock=clock):
                say(texts.ADOPTED(window=tally.window.label, rows=adopted))
                rows += adopted
    say(texts.ADOPTED_ALL(rows=rows, run=run_id))
    return 0


def _adopt_batch(asked: argparse.Namespace) -> int:
    from tablero.airflow import configuration
    from tablero.delivery.adopting import adopt_one
    from tablero.outbox.adoption import count_open

    now = configuration.clock()
    with configuration.outbox() as engine:
        if not asked.yes:
            say(texts.WOULD_ADOPT_BATCH(rows=count_open(engine, asked.batch), batch=str(asked.batch)))
            return 0
        rows = adopt_one(engine, asked.batch, by=_user(), run_id=_run_id(now), now=now)
    say(texts.ADOPTED_ALL(rows=rows, run=_run_id(now)))
    return 0


def _run_id(now: datetime) -> str:
    return f"adopt__{now:%Y-%m-%dT%H:%M:%SZ}"


def move(asked: argparse.Namespace) -> int:
    """Copy the outbox to another database and compare the two row by row."""
    from tablero.airflow import configuration
    from tablero.outbox import moving
    from tablero.outbox.engine import connect

    target = connect(configuration.store_url(asked.to))
    try:
        with configuration.outbox() as source:
            for moved in moving.move(source, target):
                say(texts.MOVED(table=moved.table, rows=moved.rows))
    finally:
        target.dispose()
    say(texts.MOVED_ALL(conn_id=asked.to))
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container has no name
        return f"uid {os.getuid()}"
