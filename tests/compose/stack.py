"""The demo of docker-compose.yaml with its own project name, port and secrets, created and removed completely."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import uuid4

import orjson

from tests.ports import free_port

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]

#: All files that docker-compose.yaml needs; copied, so that no secrets are created in the repository itself.
_PARTS = (
    ".dockerignore",
    "LICENSE",
    "README.md",
    "dags",
    "docker",
    "docker-compose.yaml",
    "plugins",
    "pyproject.toml",
    "requirements.txt",
    "sandbox",
)

#: Services that keep running; the others end by themselves.
LASTING = (
    "postgres",
    "redis",
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-worker",
    "airflow-maintenance",
    "institution",
    "sandbox",
)

#: Seconds: a machine that others use too may be ten times as slow as an idle one.
PATIENCE = 1800.0

T = TypeVar("T")


class Stack:
    """A running demo.

    :ivar folder: its copy of the repository.
    :ivar timings: seconds that each step took, by its name.
    """

    def __init__(self, folder: Path, *, rows: int, workers: int, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._workers = workers
        self._project = f"tablero-{uuid4().hex[:8]}"
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": self._project,
            "AIRFLOW_PORT": str(free_port()),
            "DEMO_ROWS": str(rows),
        }
        self.timings: dict[str, float] = {}
        for part in _PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, folder / part)
        subprocess.run([sys.executable, "docker/make_env.py", "--demo"], cwd=folder, check=True)
        # As in older files, in which it could begin with a dash.
        secrets = (folder / ".env").read_text()
        (folder / ".env").write_text(secrets.replace("ADMIN_PASSWORD=", "ADMIN_PASSWORD=-"))
        with (folder / "tablero.env").open("a") as file:
            file.writelines(f"{name}='{value}'\n" for name, value in settings.items())

    @property
    def url(self) -> str:
        """Airflow's address."""
        return f"http://127.0.0.1:{self._environment['AIRFLOW_PORT']}"

    @property
    def admin_password(self) -> str:
        """Password of Airflow's user ``admin``."""
        lines = (self.folder / ".env").read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("ADMIN_PASSWORD="))

    def up(self) -> None:
        """Build, start, and wait until all permanent services are healthy."""
        with self.timed("build"):
            self.compose("--profile", "demo", "build")
        with self.timed("up"):
            self.compose("--profile", "demo", "up", "-d", "--scale", f"airflow-worker={self._workers}")
        with self.timed("healthy"):
            wait_for("all services are healthy", lambda: set(self.health().values()) == {"healthy"})

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        with self.timed("down"):
            self.compose("--profile", "demo", "down", "--volumes", "--timeout", "10")

    def left_over(self) -> list[str]:
        """Containers, volumes and networks of the project."""
        label = f"label=com.docker.compose.project={self._project}"
        found = []
        for listing in (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"]):
            found += run(["docker", *listing, "--filter", label]).split()
        return found

    def compose(self, *arguments: str) -> str:
        """Run a compose command; returns its output."""
        return run([*compose_command(), *arguments], cwd=self.folder, env=self._environment)

    def type_in(self, commands: str) -> str:
        """Run commands of a document in a shell in the stack's folder, which is also the user's home.

        :returns: their output.
        :raises RuntimeError: one of them failed.
        """
        typed = commands.replace("docker compose", " ".join(compose_command()))
        home = {"HOME": str(self.folder), "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))}
        return run(["bash", "-eu", "-c", typed], cwd=self.folder, env=self._environment | home)

    def containers(self, service: str) -> list[str]:
        """The short ids of a service's containers."""
        return [each[:12] for each in self.compose("--profile", "demo", "ps", "-q", service).split()]

    def health(self) -> dict[str, str]:
        """Health of each container of a permanent service, by ``service/id``."""
        found = {}
        for service in LASTING:
            for container in self.containers(service):
                state = orjson.loads(run(["docker", "inspect", "--format", "{{json .State}}", container]))
                found[f"{service}/{container}"] = state.get("Health", {}).get("Status", "none")
        return found

    def kill(self, container: str) -> None:
        """Kill all its processes with SIGKILL."""
        run(["docker", "kill", "--signal", "KILL", container])

    def sql(self, database: str, query: str, *, service: str = "postgres") -> list[Any]:
        """Query a database from outside; returns a list of dictionaries."""
        wrapped = f"select coalesce(json_agg(q), '[]') from ({query}) q"
        arguments = ["psql", "--username", "postgres", "--dbname", database, "--no-align", "--tuples-only", "--command"]
        return list(orjson.loads(self.compose("exec", "-T", service, *arguments, wrapped)))

    def sandbox(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the stand-in dashboard's control routes (:mod:`sandbox.control`); a body is sent by POST."""
        data = [] if body is None else ["--json", orjson.dumps(body).decode()]
        address = f"http://localhost:8000/_sandbox{path}"
        return orjson.loads(self.compose("exec", "-T", "sandbox", "curl", "--silent", "--fail", *data, address))

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure the time of a step."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.timings[step] = round(time.monotonic() - start, 1)


@contextmanager
def running(
    folder: Path, *, rows: int, workers: int = 2, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Stack]:
    """A stack that is healthy on entry and removed on exit, whatever happens.

    :param rows: of the sample institution.
    :param settings: further lines of ``tablero.env``.
    """
    stack = Stack(folder, rows=rows, workers=workers, settings=settings)
    try:
        stack.up()
        yield stack
    except BaseException:
        _tell(stack)
        raise
    finally:
        stack.down()
        log.info("%d rows; seconds: %s", rows, stack.timings)


def _tell(stack: Stack) -> None:
    try:
        log.error("%s", stack.compose("--profile", "demo", "ps"))
        log.error("%s", stack.compose("logs", "--tail", "60"))
    except RuntimeError as error:
        log.error("%s", error)


def wait_for(what: str, found: Callable[[], T | None], patience: float = PATIENCE, *, every: float = 2.0) -> T:
    """Poll until there is a value; returns it.

    :param what: what to name in the error after a timeout.
    """
    deadline = time.monotonic() + patience
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(every)


def engine_answers() -> bool:
    """Whether a Docker engine is available."""
    return shutil.which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def run(command: list[str], **options: Any) -> str:
    """Run a program.

    :returns: its standard output.
    :raises RuntimeError: it failed; includes its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")
    return str(done.stdout)


def compose_command() -> list[str]:
    """Compose v2, otherwise 1.29."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"]
