"""What holds for every test: a clean environment, a home of its own for Airflow, and hypothesis that can be replayed."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

# What the developer's shell says about a real installation must neither be read nor be touched.
for _name in list(os.environ):
    if _name.startswith(("AIRFLOW__TABLERO__", "AIRFLOW_CONN_TABLERO_")):
        del os.environ[_name]

# Before the first import of Airflow, which reads it then and makes files there.
_home = tempfile.TemporaryDirectory(prefix="tablero-tests-")
os.environ.setdefault("AIRFLOW_HOME", _home.name)
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

settings.register_profile(
    "tablero",
    # Shared machines are slow now and then, and a test that fails for that tells nothing.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    # The same examples on every run; `--hypothesis-profile=explore` looks for new ones.
    derandomize=True,
    database=None,
)
settings.register_profile("explore", settings.get_profile("tablero"), derandomize=False, max_examples=1000)
settings.load_profile("tablero")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes a minute or more; `-m 'not slow'` leaves it out")
