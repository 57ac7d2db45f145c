"""What version 0.1 had under this name, for whatever still asks for it.

The triggerer imports the callback of a deadline by the name in Airflow's database. A DAG file of version 0.1 that was not
replaced imports from here before anything else of ours, and gets a sentence in place of Python's ModuleNotFoundError. Like the
names in ``package.renamed``, it can be removed once no institution has 0.1.
"""

from __future__ import annotations

from typing import Any

from tablero.airflow.callbacks import LateNotifier as LateNotifier
from tablero.errors import SetupError
from tablero.texts import airflow as texts

_OF_DAG_FILES = ("dag_arguments", "task_arguments")


def __getattr__(name: str) -> Any:
    if name in _OF_DAG_FILES:
        raise SetupError(texts.DAG_FILE_OF_0_1)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
