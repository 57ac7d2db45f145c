"""Commands after a loss: ``adopt`` builds a lost outbox anew without sending again what the dashboard has."""

from __future__ import annotations

import argparse
import getpass
import os

from tablero.command_line.printing import say
from tablero.texts import command_line as texts


def adopt(asked: argparse.Namespace) -> int:
    """Hold for delivered what the source has until a day; without ``--yes`` only say how much that is."""
    from tablero.airflow import configuration
    from tablero.delivery.adopting import adopt_all, plan_adoption
    from tablero.delivery.staging import preview
    from tablero.outbox import target

    settings, clock = configuration.read_settings(), configuration.clock
    windows = plan_adoption(settings, first=asked.first, until=asked.until, now=clock())
    with configuration.source(settings) as source:
        if not asked.yes:
            rows = sum(preview(None, source, settings, window, clock=clock).new for window in windows)
            say(texts.WOULD_ADOPT(rows=rows))
            return 0
        with configuration.outbox() as engine:
            url = configuration.dashboard(settings).url
            target.remember(engine, target.name_of(settings, url), clock())
            run_id = f"adopt__{clock():%Y-%m-%dT%H:%M:%SZ}"
            rows = 0
            for tally, adopted in adopt_all(engine, source, settings, windows, by=_user(), run_id=run_id, clock=clock):
                say(texts.ADOPTED(window=tally.window.label, rows=adopted))
                rows += adopted
    say(texts.ADOPTED_ALL(rows=rows, run=run_id))
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"
