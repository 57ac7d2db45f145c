"""``tablero``, or ``PYTHONPATH=plugins python -m tablero``, with Airflow's environment; ``--help`` says what it does.

Exit status 0 if all went well, 1 if not, 2 if the command was not understood; ``status`` has its own.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import TextIO

# Airflow looks into its metadata database for connections only in processes that say they are the server's.
os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    :param words: of it, without the program's name.
    """
    from tablero.command_line import parser
    from tablero.errors import TableroError

    asked = parser.build().parse_args(words)
    # Standard output belongs to what was asked for.
    _log_plainly(sys.stdout if asked.command in (None, "check", "adopt") else sys.stderr)
    try:
        return int(asked.run(asked))
    except TableroError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:  # the reader has seen enough
        sys.stderr.close()
        return 0


def _log_plainly(stream: TextIO) -> None:
    """Our own lines as they are: Airflow's form is for machines."""
    ours = logging.getLogger("tablero")
    ours.propagate = False
    ours.setLevel(logging.INFO)
    ours.addHandler(logging.StreamHandler(stream))
    logging.getLogger("alembic").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
