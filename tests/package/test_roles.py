"""What users see, by their role in FAB, the auth manager that institutions use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides.blocks import ROOT, commands
from tests.package.environments import Environment

#: For each role, whether it may read Airflow's list of plugins, from which the menu is built, and Tablero's page.
ASK = """
import sys
from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient

with TestClient(create_app()) as client:
    for role in ("Viewer", "User", "Op"):
        answer = client.post("/auth/token", json={"username": role, "password": "only"})
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        plugins = client.get("/api/v2/plugins", headers=headers)
        page = client.get("/tablero/status.json", headers=headers)  # which cannot be told yet, as 503 says
        print("::", role, plugins.status_code == 200 and "tablero" in plugins.text, page.status_code == 503)
"""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An Airflow with FAB, and with the package's files beside it."""
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    made.install("apache-airflow==3.3.2", "apache-airflow-providers-fab", "--requirement", str(ROOT / "requirements.txt"))
    return made


def seen(airflow: Environment, variables: dict[str, str]) -> dict[str, tuple[str, str]]:
    """The answers, by role."""
    lines = [
        line.split()[1:] for line in airflow.run("python", "-c", ASK, variables=variables).splitlines() if line[:2] == "::"
    ]
    return {role: (menu, page) for role, menu, page in lines}


def test_who_sees_the_entry_in_the_menu(airflow: Environment, tmp_path: Path) -> None:
    """Roles see the menu entry as in the table of docs/page.md, and the command there adds it for the others."""
    variables = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__API__SECRET_KEY": "of-the-tests",
        "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789" * 7,
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
    airflow.run("airflow", "db", "migrate", variables=variables)
    for role in ("Viewer", "User", "Op"):
        about = ["--firstname", role, "--lastname", role, "--email", f"{role}@example.org", "--password", "only"]
        airflow.run("airflow", "users", "create", "--username", role, "--role", role, *about, variables=variables)
    assert seen(airflow, variables) == {"Viewer": ("False", "True"), "User": ("False", "True"), "Op": ("True", "True")}
    (give,) = commands("docs/page.md", "Who may see it, and who may act")
    airflow.type_in(give, variables)
    assert seen(airflow, variables) == {"Viewer": ("True", "True"), "User": ("True", "True"), "Op": ("True", "True")}
