"""The page in Airflow's own API application, requested by users of each role; the outbox is that of ``history.py``.

Airflow is real: its application, its authentication, its database. Only the server around it is the test client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate

from tests.web.application import Site, browser_of, mount_page, prepare_airflow
from tests.web.history import NOW, History

#: Tests of modules that do not depend on Airflow.
_PURE = ("test_web_coverage", "test_web_texts", "test_web_small")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.stem not in _PURE:
            item.add_marker("airflow")


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's own database, containing the project's two DAGs."""
    prepare_airflow()


@pytest.fixture(scope="session")
def whole_app(airflow_database: None) -> Any:
    """Airflow's application with the page mounted, and the page's own application as ``.state.page``."""
    return mount_page(Site())


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A shared outbox that is only read."""
    folder = tmp_path_factory.mktemp("history")
    return make_history(f"sqlite:///{folder / 'outbox.db'}", folder)


@pytest.fixture
def keep_run(airflow_database: None) -> Iterator[Callable[[str, str], None]]:
    """Puts a run into Airflow's database, by DAG and run id, for the time of the test."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    def keep(dag_id: str, run_id: str) -> None:
        with create_session() as session:
            kind = DagRunType.from_run_id(run_id)
            session.add(DagRun(dag_id=dag_id, run_id=run_id, run_type=kind, state=DagRunState.SUCCESS, run_after=NOW))

    yield keep
    with create_session() as session:
        session.execute(sa.delete(DagRun))


@pytest.fixture
def own_history(tmp_path: Path, history: History, site: Site) -> History:
    """An outbox that the test may change."""
    made = history.copy(tmp_path)
    site.engine = made.engine
    return made


def make_history(address: str, folder: Path) -> History:
    """An outbox with the whole history."""
    engine = connect(address)
    migrate(engine)
    made = History(engine, folder)
    made.live()
    return made


@pytest.fixture
def site(whole_app: Any, history: History) -> Site:
    """The page's dependencies for this test."""
    given: Site = whole_app.state.site
    given.__init__()  # type: ignore[misc] # the same object, which the application holds
    given.engine = history.engine
    return given


@pytest.fixture
def as_user(whole_app: Any, site: Site) -> Callable[[str | None], Any]:
    """A browser with a logged-in user, or none; it does not follow redirects."""
    return partial(browser_of, whole_app)


@pytest.fixture
def admin(as_user: Callable[[str | None], Any]) -> Any:
    """The browser of a user with all permissions."""
    return as_user("admin")


@pytest.fixture
def viewer(as_user: Callable[[str | None], Any]) -> Any:
    """The browser of a user who may only read."""
    return as_user("vera")
