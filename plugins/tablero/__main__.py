"""The preflight from the command line: ``PYTHONPATH=plugins python -m tablero``, with Airflow's environment.

Exit status 0 if a load would go through, 1 if not.
"""

from __future__ import annotations

import logging
import os
import sys

# Airflow looks into its metadata database for connections only in processes that say they are the server's.
os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def main() -> int:
    """Run all checks and print what they found."""
    from tablero import configuration, tasks
    from tablero.errors import TableroError

    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        tasks.require_ready(tasks.inspect_all(configuration.read_settings()))
    except TableroError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
