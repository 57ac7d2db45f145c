"""A process that has loaded Airflow and the package and forks for each command, which then takes a tenth of the time.

``python -m tests.airflow_units.loaded`` reads commands from standard input, one in a line of JSON, and answers each with its
exit status. What a command finds is the same as in a process of its own, except what Airflow reads while it loads.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]


class Loaded:
    """The process, from a test's point of view; it ends with the test's own.

    :param environment: of the process while it loads.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.airflow_units.loaded"],
            env={**environment, "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT)))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._folder = TemporaryDirectory(prefix="tablero-loaded-")

    def run(self, words: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run ``tablero`` with these words; the home of Airflow stays that of the process."""
        out, err = (Path(self._folder.name) / name for name in ("stdout", "stderr"))
        command = {"words": words, "environment": dict(environment), "out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(command) + b"\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(words, status, out.read_text(), err.read_text())


def _serve() -> None:
    import tablero.__main__  # first, since it declares what kind of process this is
    import tablero.airflow.configuration
    import tablero.airflow.runs.checks
    import tablero.command_line.parser
    import tablero.delivery.adopting
    import tablero.outbox.upgrade
    import tablero.web.status  # noqa: F401

    del sys.modules["tablero.__main__"]  # a command runs it as its main module
    for line in sys.stdin.buffer:
        command = orjson.loads(line)
        if child := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            sys.stdout.write(f"{status}\n")
            sys.stdout.flush()
        else:
            _become(command)


def _become(command: Mapping[str, Any]) -> None:
    """Run the command and end, as a new process would."""
    status = 1
    try:
        os.environ.clear()
        os.environ.update(command["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in ((1, command["out"]), (2, command["err"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["tablero", *command["words"]]
        runpy.run_module("tablero", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
