"""Tablero from the command line: ``PYTHONPATH=plugins python -m tablero``, with Airflow's environment.

``check`` (or nothing) runs the preflight; ``adopt`` builds a lost outbox anew without sending again what the dashboard has.
Exit status 0 if all went well, 1 if not, 2 if the command was not understood.
"""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

# Airflow looks into its metadata database for connections only in processes that say they are the server's.
os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    :param words: of it, without the program's name.
    """
    asked = _parser().parse_args(words)
    from tablero.errors import TableroError

    _log_plainly()
    try:
        if asked.command == "adopt":
            _adopt(asked.first, asked.until, sure=asked.yes)
        else:
            _check()
    except TableroError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tablero", description="Tablero: preflight and outbox.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check", help="preflight; sends nothing / comprobación previa; no envía nada")
    adopt = commands.add_parser(
        "adopt",
        help="rebuild a lost outbox, holding for delivered what the source has until a day / reconstruir un outbox perdido,"
        " dando por entregado lo que la fuente tiene hasta un día",
    )
    day: dict[str, Any] = {"type": date.fromisoformat, "metavar": "YYYY-MM-DD"}
    adopt.add_argument("--from", dest="first", help="first day; default: earliest / primer día; por omisión: earliest", **day)
    adopt.add_argument("--until", required=True, help="last day, included / último día, incluido", **day)
    adopt.add_argument("--yes", action="store_true", help="do it; without, only show / hacerlo; sin esto, solo mostrar")
    return parser


def _log_plainly() -> None:
    """Our own lines as they are: Airflow's form is for machines."""
    ours = logging.getLogger("tablero")
    ours.propagate = False
    ours.setLevel(logging.INFO)
    ours.addHandler(logging.StreamHandler(sys.stdout))
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _check() -> None:
    from tablero.airflow import configuration, tasks

    tasks.require_ready(tasks.inspect_all(configuration.read_settings()))


def _adopt(first: date | None, until: date, *, sure: bool) -> None:
    from tablero.airflow import configuration
    from tablero.delivery.adopting import adopt_all, plan_adoption
    from tablero.delivery.staging import rehearse
    from tablero.outbox import target

    settings, clock = configuration.read_settings(), configuration.clock
    windows = plan_adoption(settings, first=first, until=until, now=clock())
    with configuration.source(settings) as source:
        if not sure:
            rows = sum(rehearse(None, source, settings, window, clock=clock).new for window in windows)
            _say(
                f"{rows} filas se darían por entregadas; no se escribió nada. Incluyen las que este outbox ya tiene por"
                " entregadas. Si el tablero las tiene todas, repita con --yes."
                f" / {rows} rows would be held for delivered; nothing was written. Those that this outbox has as delivered"
                " already are among them. If the dashboard has all of them, repeat with --yes."
            )
            return
        with configuration.outbox() as engine:
            url = configuration.dashboard(settings).url
            target.remember(engine, target.name_of(settings, url), clock())
            run_id = f"adopt__{clock():%Y-%m-%dT%H:%M:%SZ}"
            rows = 0
            for tally, adopted in adopt_all(engine, source, settings, windows, by=_user(), run_id=run_id, clock=clock):
                _say(f"{tally.window.label}: {adopted} filas dadas por entregadas / rows held for delivered")
                rows += adopted
    _say(f"{rows} filas en total / rows in all ({run_id})")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
