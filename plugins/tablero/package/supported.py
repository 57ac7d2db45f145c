"""What this package requires: an Airflow that is new enough, its packages, and no other version of itself.

The plugin and the DAG files import it before anything else of Airflow, which would fail with an ImportError about a class or a
module that says nothing to its operator.
"""

from __future__ import annotations

import re
from pathlib import Path

import airflow
from tablero.errors import SetupError
from tablero.package.installed import require_one_version, require_packages
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


def plugins_folder() -> Path:
    """The folder in which Airflow looks for plugins that are not installed."""
    return _folder("plugins_folder")


def dags_folder() -> Path:
    """The folder in which Airflow looks for DAG files, unless bundles of its own are configured."""
    return _folder("dags_folder")


def _folder(key: str) -> Path:
    from airflow.sdk import conf

    return Path(conf.get("core", key)).expanduser()


require(airflow.__version__)
require_packages()
require_one_version(plugins_folder())
