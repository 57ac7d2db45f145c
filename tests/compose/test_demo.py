"""`docker compose --profile demo up` with two workers: it starts, loads everything, enforces access, and is removed."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.compose import account
from tests.compose.guide import commands
from tests.compose.stack import ROOT, Stack, compose_command, engine_answers, run, running, wait_for

log = logging.getLogger(__name__)

ROWS = int(os.environ.get("TABLERO_COMPOSE_ROWS", "5000"))
OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo, healthy; it is removed completely afterwards."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    with running(tmp_path_factory.mktemp("stack"), rows=ROWS) as found:
        yield found
    assert found.left_over() == []


@pytest.fixture(scope="module")
def run_id(stack: Stack) -> str:
    """The historical load that the demo starts by itself, ended successfully."""
    found, state = account.ended(stack, "historical_load")
    assert state == "success"
    return found


def test_without_secrets(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without secrets the demo refuses to start, and says how to create them."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    folder = tmp_path_factory.mktemp("bare")
    shutil.copy2(ROOT / "docker-compose.yaml", folder)
    with pytest.raises(RuntimeError, match=r"run python3 docker/make_env\.py"):
        run([*compose_command(), "up", "-d"], cwd=folder)


def test_secrets_are_made_once(stack: Stack) -> None:
    """Creating the secrets again changes nothing, since the databases use the existing ones."""
    before = stack.admin_password
    again = subprocess.run(["python3", "docker/make_env.py"], cwd=stack.folder, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "left as it is" in again.stderr
    assert stack.admin_password == before
    assert oct((stack.folder / ".env").stat().st_mode & 0o777) == "0o600"


def test_every_row_is_accounted_for(stack: Stack, run_id: str) -> None:
    """Institution, outbox and dashboard agree on every row, and none was posted after its acknowledgement."""
    found = account.take(stack, run_id)
    log.info("%s", found)
    assert found.institution >= ROWS
    assert found.delivered > 0.9 * ROWS
    assert found.received == found.distinct, "undisturbed, nothing arrives twice"


def test_both_workers_took_part(stack: Stack, run_id: str) -> None:
    """Both workers processed months."""
    assert account.workers(stack).keys() == set(stack.containers("airflow-worker"))


def test_the_daily_send(stack: Stack, run_id: str) -> None:
    """Yesterday's scheduled run succeeds as well."""
    assert account.ended(stack, "daily_send")[1] == "success"


def test_nobody_is_root(stack: Stack) -> None:
    """No process of any service runs as root; only a health check may, which Docker starts beside the service for a moment."""
    for container in [each.partition("/")[2] for each in stack.health()]:
        users = users_of_service(container)
        assert users
        assert "root" not in users


def users_of_service(container: str) -> set[str]:
    """The users of the container's first process and of all that came of it."""
    first = run(["docker", "inspect", "--format", "{{.State.Pid}}", container]).strip()
    processes = [line.split() for line in run(["docker", "top", container, "-eo", "pid,ppid,user"]).splitlines()[1:]]
    parents = {pid: parent for pid, parent, _ in processes}

    def is_of_service(pid: str) -> bool:
        return pid == first or (pid in parents and is_of_service(parents[pid]))

    return {user for pid, _, user in processes if is_of_service(pid)}


def test_metadata_and_outbox_are_apart(stack: Stack) -> None:
    """The role of each database can connect only to its own."""
    assert_apart(stack)


def assert_apart(stack: Stack) -> None:
    for role, other in (("outbox", "airflow"), ("airflow", "outbox")):
        with pytest.raises(RuntimeError, match="permission denied for database"):
            stack.compose("exec", "-T", "postgres", "psql", "-h", "127.0.0.1", "-U", role, "-d", other, "-c", "select 1")


class User:
    """A browser with a user logged in through the form of Airflow's FAB auth manager."""

    def __init__(self, stack: Stack, name: str, password: str) -> None:
        self._http = httpx.Client(base_url=stack.url, timeout=180, trust_env=False)
        form = self._http.get("/auth/login/").text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
        assert token
        fields = {"username": name, "password": password, "csrf_token": token[1]}
        assert self._http.post("/auth/login/", data=fields).status_code == 302

    def get(self, path: str) -> httpx.Response:
        """Request a page."""
        return self._http.get(path)

    def ask_again(self) -> httpx.Response:
        """Retry all rejected rows of a reason with the page's form."""
        page = self.get("/tablero/rejections?reason=unknown_status").text
        fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)) | {"whole": "yes"}
        return self._http.post("/tablero/requeue/review", data=fields, headers=OWN)


def test_the_page_without_login(stack: Stack, run_id: str) -> None:
    """Without a login the page shows nothing."""
    answer = httpx.get(f"{stack.url}/tablero/", timeout=180, trust_env=False)
    assert answer.status_code == 401
    assert "2020" not in answer.text


def test_the_page_with_login(stack: Stack, run_id: str) -> None:
    """The admin sees the page, and may retry rows."""
    admin = User(stack, "admin", stack.admin_password)
    assert admin.get("/tablero/").status_code == 200
    assert admin.ask_again().status_code == 200


def test_the_page_for_a_viewer(stack: Stack, run_id: str) -> None:
    """A viewer sees the page, but may not retry rows."""
    user = ["--username", "looks", "--password", "only", "--role", "Viewer", "--email", "looks@example.org"]
    names = ["--firstname", "Looks", "--lastname", "Only"]
    stack.compose("exec", "-T", "airflow-apiserver", "airflow", "users", "create", *user, *names)
    viewer = User(stack, "looks", "only")
    assert viewer.get("/tablero/").status_code == 200
    assert viewer.ask_again().status_code == 403


@pytest.fixture(scope="module")
def paused(stack: Stack, run_id: str) -> Iterator[None]:
    """Both DAGs paused by the commands of the operations guide, with no run in progress."""
    account.ended(stack, "daily_send")
    stack.type_in(commands().pause)
    yield
    stack.type_in(commands().unpause)
    assert paused_dags(stack) == set()


def paused_dags(stack: Stack) -> set[str]:
    return {row["dag_id"] for row in stack.sql("airflow", "select dag_id from dag where is_paused")}


def test_the_commands_that_pause(stack: Stack, paused: None) -> None:
    """The commands pause both DAGs; the fixture undoes it."""
    assert paused_dags(stack) == {"historical_load", "daily_send"}


def test_the_command_that_starts(stack: Stack, paused: None) -> None:
    """Running the start command again, as after a change or for an upgrade, leaves all services healthy."""
    stack.type_in(commands().start)
    wait_for("all services are healthy", lambda: set(stack.health().values()) == {"healthy"})


def test_the_command_that_checks(stack: Stack, paused: None) -> None:
    """The check passes, with just one warning: the stand-in is called without encryption."""
    text = stack.type_in(commands().check)
    assert text.count("[ok]") >= 5
    assert "[failed]" not in text
    assert re.findall(r"^\[warning\] (\w+):", text, re.MULTILINE) == ["encryption"]


def test_the_command_that_adopts(stack: Stack, paused: None) -> None:
    """Without ``--yes`` the command counts the institution's rows and writes nothing."""
    before = outbox_batches(stack)
    said = re.search(r"([\d,]+) rows would be counted as delivered; nothing was written", stack.type_in(commands().adopt))
    assert said
    assert 0.8 * ROWS < int(said[1].replace(",", "")) < 1.2 * ROWS
    assert outbox_batches(stack) == before


def outbox_batches(stack: Stack) -> int:
    (found,) = stack.sql("outbox", "select count(*) as batches from batch")
    return int(found["batches"])


def test_a_lost_outbox_comes_back_from_its_backup(stack: Stack, run_id: str, paused: None) -> None:
    """An outbox restored from its backup accounts for every row as before, and only its own role can write to it."""
    before = account.take(stack, run_id)
    stack.type_in(commands().back_up)
    stack.type_in(commands().empty)
    stack.type_in(commands().check)  # creates the tables
    assert outbox_batches(stack) == 0
    stack.type_in(commands().restore)
    assert account.take(stack, run_id) == before
    assert "[ok] outbox" in stack.type_in(commands().check)
    assert_apart(stack)
    assert other_databases(stack) == {"outbox_before"}
    stack.type_in(commands().drop)
    assert other_databases(stack) == set()


def other_databases(stack: Stack) -> set[str]:
    names = {row["datname"] for row in stack.sql("postgres", "select datname from pg_database where not datistemplate")}
    return names - {"postgres", "airflow", "outbox"}
