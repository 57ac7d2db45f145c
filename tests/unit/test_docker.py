"""The files for Docker are consistent with one another and with the package; tests/compose/ starts them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

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
    """docker/make_env.py creates every secret that docker-compose.yaml requires, each one different and long."""
    secrets = variables(made / ".env")
    assert secrets.keys() == set(re.findall(r"\$\{(\w+):\?run python3 docker/make_env\.py\}", COMPOSE))
    assert len(set(secrets.values())) == len(secrets)
    assert min(map(len, secrets.values())) >= 16
    assert {(made / name).stat().st_mode & 0o777 for name in (".env", "tablero.env")} == {0o600}


def test_a_secret_means_the_same_everywhere(made: Path) -> None:
    """A secret is safe in a URL, in an environment file, and as an argument, where a leading dash would make it an option."""
    secrets = variables(made / ".env")
    del secrets["FERNET_KEY"]  # its form is given by Airflow
    assert {name for name, value in secrets.items() if not re.fullmatch(r"[0-9a-f]+", value)} == set()


def test_the_fernet_key_is_on_no_command_line() -> None:
    """The Fernet key, which may begin with a dash, is never passed as an argument."""
    assert re.findall(r".*FERNET_KEY.*", COMPOSE) == [
        "    AIRFLOW__CORE__FERNET_KEY: ${FERNET_KEY:?run python3 docker/make_env.py}"
    ]


def test_a_password_that_begins_with_a_dash_is_no_option() -> None:
    """A password from an older file that begins with a dash is passed in one word with its option."""
    assert '--password="$${ADMIN_PASSWORD}"' in COMPOSE
    assert not re.findall(r"""--[\w-]+ ["']?\$+\{?\w*PASSWORD""", COMPOSE)


def test_no_secret_has_a_default() -> None:
    """Every environment variable is required, except the demo's size and the port."""
    assert set(re.findall(r"\$\{(\w+):-", COMPOSE)) == {"AIRFLOW_PORT", "DEMO_ROWS", "KEEP_DAYS", "TABLERO_EXTRAS"}


def test_one_version_of_airflow() -> None:
    """The version of Airflow is the same in image, tag and requirements.txt."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^apache-airflow==(\S+)$", requirements, re.MULTILINE)
    named = re.findall(r"apache/airflow:([\d.]+)|apache-airflow==([\d.]+)", DOCKERFILE)
    named += re.findall(r"tablero-airflow:([\d.]+)()", COMPOSE)
    named += re.findall(r'airflowVersion: "([\d.]+)"()', (ROOT / "docs" / "helm-values.yaml").read_text(encoding="utf-8"))
    assert len(named) > 4
    assert {one or other for one, other in named} == {version}


def test_the_sources_are_in_the_image() -> None:
    """``.dockerignore`` lets through everything that the Dockerfile copies."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?:--chown=\S+ )?(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert kept == {name for names in copied for name in names.split()}


SERVICES = yaml.safe_load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("tablero-airflow:")}


def schema(name: str) -> Any:
    """One of the published schemas, which are stored beside the repository."""
    for folder in (ROOT.parent / "shared", Path("/work/shared")):
        if (found := folder / "schemas" / name).is_file():
            return json.loads(found.read_text(encoding="utf-8"))
    pytest.skip(f"skipped: no {name} beside the repository")


def test_compose_is_to_its_specification() -> None:
    """The compose file follows the specification, since newer releases of Compose refuse unknown keys."""
    jsonschema.validate(yaml.safe_load(COMPOSE), schema("compose-spec.json"))


def test_one_service_builds_the_image() -> None:
    """One service builds the image; the others use it, never pull it, and wait for that service."""
    assert [name for name, service in OURS.items() if "build" in service] == ["airflow-init"]
    assert {service["image"] for service in OURS.values()} == {"tablero-airflow:3.3.2"}
    assert {name for name, service in OURS.items() if service["pull_policy"] != "never"} == {"airflow-init"}
    assert all("airflow-init" in service["depends_on"] for name, service in OURS.items() if name != "airflow-init")


def test_no_output_grows_for_ever() -> None:
    """Every long-running service limits its logs."""
    lasting = {name: service for name, service in SERVICES.items() if "profiles" not in service}
    assert len(lasting) > 8
    assert {name for name, service in lasting.items() if "max-size" not in service["logging"]["options"]} == set()


def test_old_metadata_and_logs_are_deleted_once_a_day() -> None:
    """A permanent service deletes old metadata and logs; its health check fails if the deletion fails."""
    service = SERVICES["airflow-maintenance"]
    script = service["command"][-1]
    assert "airflow db clean --yes --skip-archive --error-on-cleanup-failure" in script
    assert script.index("airflow db clean") < script.index("touch /tmp/cleaned") < script.index("sleep 24h")
    assert "/tmp/cleaned" in service["healthcheck"]["test"][-1]
    assert service["restart"] == "unless-stopped"


def test_everything_that_lasts_says_whether_it_is_well() -> None:
    """Every permanent service has a health check, including the database server, which also holds the outbox."""
    lasting = {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"}
    assert {name for name in lasting if "healthcheck" not in SERVICES[name]} == set()
    (command,) = [word for word in SERVICES["postgres"]["healthcheck"]["test"] if "psql" in word]
    assert command.endswith('--command "select" outbox')


def test_drivers_come_by_one_build_argument() -> None:
    """The build argument takes the names of the wheel's extras."""
    assert SERVICES["airflow-init"]["build"]["args"] == {"EXTRAS": "${TABLERO_EXTRAS:-}"}
    assert "ARG EXTRAS=\n" in DOCKERFILE
    assert '".[postgres${EXTRAS:+,$EXTRAS}]"' in DOCKERFILE
    extras = re.findall(r"mysql|mssql|oracle|openlineage", DOCKERFILE.partition("ARG EXTRAS=")[0].rpartition("#")[2])
    assert extras == ["mysql", "mssql", "oracle", "openlineage"]


def test_the_base_image_is_named_by_its_tag() -> None:
    """The base image is named by its tag, and the file says how to find the digest."""
    assert re.search(r"^ARG BASE=apache/airflow:[\d.]+-python3\.\d+$", DOCKERFILE, re.MULTILINE)
    assert "RepoDigests" in DOCKERFILE
    assert "--build-arg BASE=apache/airflow@sha256:" in DOCKERFILE


def test_the_values_for_helm_are_to_the_charts_schema() -> None:
    """Every Helm value exists in the chart, and none is deprecated except the one that older charts need."""
    chart = schema("airflow-chart-1.22.0.values.schema.json")
    values = yaml.safe_load((ROOT / "docs" / "helm-values.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(values, chart)
    assert set(deprecated(values, chart)) == {"webserver.defaultUser"}
    assert (values["createUserJob"]["enabled"], values["webserver"]["defaultUser"]["enabled"]) == (False, False)


def deprecated(values: dict[str, Any], known: dict[str, Any], above: str = "") -> Iterator[str]:
    """The keys whose description says that they are deprecated; an unknown key is an error."""
    for key, value in values.items():
        about = known["properties"][key]
        if "deprecated" in about.get("description", ""):
            yield f"{above}{key}"
        elif isinstance(value, dict) and "properties" in about:
            yield from deprecated(value, about, f"{above}{key}.")


def test_every_value_of_the_template_is_quoted() -> None:
    """Every value of the template is in single quotes, without which Compose 2 reads `pa$word1` as `pa`."""
    for name in ("tablero.env", "demo.env"):
        lines = re.findall(r"^#?AIRFLOW\w+=(.*)$", (ROOT / "docker" / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert len(lines) > 2
        assert [line for line in lines if not re.fullmatch(r"'[^']*'", line)] == []
