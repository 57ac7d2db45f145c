"""The Airflow version this package requires. The plugin and the DAG files import it before anything else of Airflow.

Otherwise an older Airflow would fail with an ImportError about a class that says nothing to its operator.
"""

from __future__ import annotations

import re

import airflow
from tablero.errors import SetupError
from tablero.texts import airflow as texts

#: The first Airflow with retry policies, deadlines by reference, and metrics in the SDK.
OLDEST = (3, 3)


def require(version: str) -> None:
    """Check that Airflow is new enough.

    :param version: Airflow's version, such as ``3.3.2`` or ``3.4.0b2``.
    :raises SetupError: if it is too old.
    """
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        raise SetupError(texts.AIRFLOW_TOO_OLD(oldest=".".join(map(str, OLDEST)), found=version))


require(airflow.__version__)
