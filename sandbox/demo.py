"""The demonstration: ``make demo``, or ``python -m sandbox.demo``.

Creates the sample institution's database, starts the sandbox and an Airflow, lets ``historical_load`` send every month and
``daily_send`` what was entered late yesterday, and proves that the dashboard has each valid row once. Everything is in one
folder, ``.demo``: deleting it resets everything, and a demo in an existing folder continues where the last one ended.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from sandbox.demo_airflow import ZONE, Airflow
from sandbox.demo_api import Api
from sandbox.demo_failure import DemoError, last_lines
from sandbox.demo_institution import Institution
from sandbox.demo_processes import SIGNALS, Programs
from sandbox.demo_proof import Outbox
from sandbox.demo_screen import Screen
from sandbox.demo_story import DAILY, HISTORY, Story

_ROOT = Path(__file__).resolve().parent.parent
_SANDBOX_SECONDS = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status: 0 only if every row was delivered, or rejected as expected."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--once", action="store_true", help="stop by itself, instead of at Ctrl-C")
    parser.add_argument("--folder", type=Path, default=_ROOT / ".demo", help="where it lives (default %(default)s)")
    parser.add_argument("--rows", type=int, default=200_000, help="changes of status in a new folder (default %(default)s)")
    options = parser.parse_args(arguments)
    screen = Screen(Console())
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        folder: Path = options.folder.resolve()
        logs = folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder), Programs(folder, logs) as programs, _farewell(screen):
            proven = _show(folder, programs, screen, options.rows, stay=not options.once)
    except DemoError as error:
        _explain(error, screen)
        return 1
    except KeyboardInterrupt:
        screen.say("Interrumpida; la próxima vez sigue / Interrupted; next time it goes on")
        return 130
    return 0 if proven else 1


def _show(folder: Path, programs: Programs, screen: Screen, rows: int, *, stay: bool) -> bool:
    story, proven = None, False
    try:
        story = _set_up(folder, programs, screen, rows)
        proven = story.run()
    except DemoError as error:
        _explain(error, screen)
    if stay and story is not None:
        story.print_addresses()
        screen.say("Ctrl-C para terminar / to stop")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                story.airflow.check()
                time.sleep(1)
    return proven


def _set_up(folder: Path, programs: Programs, screen: Screen, rows: int) -> Story:
    """Start everything."""
    today = datetime.now(ZoneInfo(ZONE)).date()
    institution = Institution(folder / "institution.db", rows=rows, zone=ZONE)
    dashboard = folder / "dashboard.db"
    home = folder / "airflow"
    connections = {
        "AIRFLOW_CONN_TABLERO_SOURCE": json.dumps({"conn_type": "sqlite", "host": str(institution.database)}),
        "AIRFLOW_CONN_TABLERO_API": json.dumps({"conn_type": "http", "host": _start_sandbox(programs, folder, dashboard)}),
    }
    airflow = Airflow(programs, home, root=_ROOT, settings=connections)
    migration = airflow.migrate()
    with screen.step("Base de datos de una institución de muestra / A sample institution's database"):
        institution.live_until(today)
    with screen.step("Airflow"):
        migration.must_succeed()
        api = airflow.start_reading(HISTORY, DAILY)
        _give_up_unfinished_runs(api)
        airflow.start_working()
    return Story(institution, airflow, api, Outbox(home / "tablero" / "outbox.db"), dashboard, screen, today)


def _start_sandbox(programs: Programs, folder: Path, dashboard: Path) -> str:
    """Start the stand-in for security server and dashboard; returns its address."""
    command = [sys.executable, "-m", "sandbox", "--database", str(dashboard)]
    sandbox = programs.start("sandbox", command, environment=os.environ | {"PYTHONPATH": str(_ROOT)}, folder=folder)
    deadline = time.monotonic() + _SANDBOX_SECONDS
    while time.monotonic() < deadline:
        sandbox.must_run()
        announced = sandbox.log.read_text().partition("sandbox listening on ")[2]
        if announced.endswith("\n"):
            return announced.strip()
        time.sleep(0.1)
    raise DemoError("sandbox: no arranca / does not start", sandbox.log)


def _give_up_unfinished_runs(api: Api) -> None:
    """Close the runs that an interrupted demo left in progress. The next runs send their remaining rows."""
    for dag_id in (HISTORY, DAILY):
        api.pause(dag_id, True)
        for run_id in api.unfinished(dag_id):
            api.give_up(dag_id, run_id)


@contextlib.contextmanager
def _farewell(screen: Screen) -> Iterator[None]:
    try:
        yield
    finally:
        screen.say("Deteniendo… / Stopping…")


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"Ya hay una demostración en marcha en {folder} / A demonstration is already running there"
            ) from None
        yield


def _explain(error: DemoError, screen: Screen) -> None:
    screen.say(f"\n✗ {error}", "bold red")
    if error.log is not None:
        for line in last_lines(error.log):
            screen.say(f"  │ {line}")
        screen.say(f"  Registro completo / full log: {error.log}")


if __name__ == "__main__":
    sys.exit(main())
