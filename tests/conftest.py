"""For every test: a clean environment, a home of its own for Airflow, and reproducible hypothesis runs."""

from __future__ import annotations

import os
import signal
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Settings of a real installation in the developer's shell must be neither read nor changed.
for _name in list(os.environ):
    if _name.startswith(("AIRFLOW__TABLERO__", "AIRFLOW_CONN_TABLERO_")):
        del os.environ[_name]

# Before the first import of Airflow, which reads it and creates files there. Each process of `make test` has its own.
_home = tempfile.TemporaryDirectory(prefix="tablero-tests-")
os.environ["AIRFLOW_HOME"] = _home.name
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

# Debian's servers, which a user's PATH does not have.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

# As in a terminal: `nohup ... &` and some CI runners ignore these signals, and every
# program that a test starts inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

settings.register_profile(
    "tablero",
    # Shared machines are slow at times, and a failure for that reason has no meaning.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    # The same examples on every run; `--hypothesis-profile=explore` tries new ones.
    derandomize=True,
    database=None,
)
settings.register_profile("explore", settings.get_profile("tablero"), derandomize=False, max_examples=1000)
settings.load_profile("tablero")


#: Tests that share something slow to start: a whole Airflow, Airflow's own database and application, or servers of an
#: institution. A file is listed before its folder if it shares something else.
SHARING = (
    "tests/hostile/test_tls.py",
    "tests/integration/delivery/test_end_to_end.py",
    "tests/airflow/test_alerts_and_hours.py",
    "tests/airflow/test_first_evening.py",
    "tests/airflow/test_integrity.py",
    "tests/airflow/",
    "tests/browser/",
    "tests/sources/",
    "tests/web/",
)

#: Tests that share nothing but what each worker starts once for all: the workers take them one by one, so that none is left
#: alone with a long file.
APART = (
    "tests/airflow_units/test_command_line.py",
    "tests/airflow_units/test_random_nights.py",
    "tests/chaos/test_chaos.py",
    "tests/hostile/",
    "tests/integration/",
)

#: What takes minutes.
LONGEST = ("tests/airflow/", "tests/browser/", "tests/web/", "tests/chaos/test_chaos.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `make test` on several cores: tests that share something stay together, others run file by file, or even one by
    one, in this order.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            alone = nodeid if file.startswith(APART) else file
            return next((shared for shared in SHARING if file.startswith(shared)), alone)

    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest tests begin first, so that no core is left alone with them at the end."""

    def place(item: pytest.Item) -> int:
        return next((place for place, group in enumerate(LONGEST) if item.nodeid.startswith(group)), len(LONGEST))

    items.sort(key=place)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes a minute or more; `-m 'not slow'` leaves it out")
