"""Entry point of ``tablero`` and ``PYTHONPATH=plugins python -m tablero``; needs Airflow's environment. See ``--help``.

Exit status: 0 success, 1 failure, 2 usage error; ``status`` has its own, see :mod:`tablero.web.status`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TextIO

# Airflow reads connections from its metadata database only in processes that declare themselves a server.
os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    :param words: the arguments without the program name; default: ``sys.argv``.
    :returns: the exit status.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # In the locale of a cron job, which has no accents, they would end the program with the status of a failure.
            stream.reconfigure(errors="backslashreplace")

    from tablero.errors import TableroError
    from tablero.package.installed import require_packages

    try:
        require_packages()  # without which not even the help could be built
    except TableroError as error:
        sys.stderr.write(f"{error}\n")
        return 3 if "status" in (sys.argv[1:] if words is None else words) else 1

    from tablero.command_line import parser
    from tablero.command_line.printing import only_results_on_stdout

    asked = parser.build().parse_args(words)
    _log_plainly(sys.stdout if asked.command in (None, "check") else sys.stderr)
    exit_status = 0
    try:
        with only_results_on_stdout():
            exit_status = int(asked.run(asked))
        sys.stdout.flush()
    except TableroError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:  # the reader, such as ``head``, has closed the pipe; what Python still flushes goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_status


def _log_plainly(stream: TextIO) -> None:
    """Log our own messages as plain lines; Airflow's format is for machines."""
    ours = logging.getLogger("tablero")
    ours.propagate = False
    ours.setLevel(logging.INFO)
    ours.addHandler(logging.StreamHandler(stream))
    logging.getLogger("alembic").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
