"""The files for Docker fit one another and the rest; tests/compose/ starts them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")


def variables(file: Path) -> dict[str, str]:
    """The lines NAME=VALUE of a file."""
    lines = [line.partition("=") for line in file.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    return {name: value for name, _, value in lines}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder where docker/make_env.py was run for the demo."""
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    subprocess.run([sys.executable, "docker/make_env.py", "--demo"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_each_secret_is_made(made: Path) -> None:
    """What docker-compose.yaml demands is what docker/make_env.py makes, each of them different and long."""
    secrets = variables(made / ".env")
    assert secrets.keys() == set(re.findall(r"\$\{(\w+):\?run python3 docker/make_env\.py\}", COMPOSE))
    assert len(set(secrets.values())) == len(secrets)
    assert min(map(len, secrets.values())) >= 16
    assert {(made / name).stat().st_mode & 0o777 for name in (".env", "tablero.env")} == {0o600}


def test_a_secret_means_the_same_everywhere(made: Path) -> None:
    """In an address, in a line of an environment file, and where one that began with a dash would be taken for an option."""
    secrets = variables(made / ".env")
    del secrets["FERNET_KEY"]  # its form is Airflow's
    assert {name for name, value in secrets.items() if not re.fullmatch(r"[0-9a-f]+", value)} == set()


def test_the_fernet_key_is_on_no_command_line() -> None:
    """It alone may begin with a dash."""
    assert re.findall(r".*FERNET_KEY.*", COMPOSE) == [
        "    AIRFLOW__CORE__FERNET_KEY: ${FERNET_KEY:?run python3 docker/make_env.py}"
    ]


def test_a_password_that_begins_with_a_dash_is_no_option() -> None:
    """Older files hold such ones: what a shell puts in stands in one word with its option."""
    assert '--password="$${ADMIN_PASSWORD}"' in COMPOSE
    assert not re.findall(r"""--[\w-]+ ["']?\$+\{?\w*PASSWORD""", COMPOSE)


def test_no_secret_has_a_default() -> None:
    """Whatever is asked of the environment is demanded, but for the demo's size and the port."""
    assert set(re.findall(r"\$\{(\w+):-", COMPOSE)) == {"AIRFLOW_PORT", "DEMO_ROWS"}


def test_one_version_of_airflow() -> None:
    """Of image, tag and requirements.txt."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^apache-airflow==(\S+)$", requirements, re.MULTILINE)
    named = re.findall(r"apache/airflow:([\d.]+)|apache-airflow==([\d.]+)", DOCKERFILE)
    named += re.findall(r"tablero-airflow:([\d.]+)()", COMPOSE)
    named += re.findall(r'airflowVersion: "([\d.]+)"()', (ROOT / "docs" / "helm-values.yaml").read_text(encoding="utf-8"))
    assert [one or other for one, other in named] == [version] * 4


def test_the_sources_are_in_the_image() -> None:
    """.dockerignore leaves in what the Dockerfile copies."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    assert kept == set(re.findall(r"^COPY (?:--chown=\S+ )?(\S+) ", DOCKERFILE, re.MULTILINE))
