"""Both READMEs have the same content, and it is correct."""

from __future__ import annotations

import re
from datetime import time
from pathlib import Path

import pendulum
import pytest
import tablero
from tablero.airflow.connections import lookup
from tablero.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, SPANISH = "README.md", "README.es.md"
BOTH = pytest.mark.parametrize("name", [ENGLISH, SPANISH])


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _outline(name: str) -> list[str]:
    """What both must have in common, in order: headings by level, lists by items, tables by columns."""
    prose = re.sub(r"```.*?```", "", _text(name), flags=re.DOTALL)
    kinds = re.compile(r"^(#+ |\d+\. |\||!\[)")
    found = [(kinds.match(line), line) for line in prose.splitlines()]
    return [match[1] + (str(line.count("|")) if match[1] == "|" else "") for match, line in found if match]


def _blocks(name: str) -> list[list[str]]:
    """The code blocks, without indentation and without SQL's comments."""
    blocks = re.findall(r"^ *```(\w+)\n(.*?)```", _text(name), re.DOTALL | re.MULTILINE)
    return [
        [language, *(re.sub(r"\s*--.*", "", line).strip() for line in code.strip().splitlines())] for language, code in blocks
    ]


def _settings(name: str) -> dict[str, str]:
    """Key and default of each line of the table of settings."""
    section = _text(name).partition("AIRFLOW__TABLERO__<")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\| .+ \|$", section, re.MULTILINE)
    return {key: default.strip("`") for key, default in rows}


def _shown(value: object) -> str:
    """A default as written in the environment; empty for none."""
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, pendulum.Timezone):
        return value.name
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return str(value)


def test_both_have_the_same_outline() -> None:
    """Both have the same outline, so that nothing is added to only one of them."""
    assert _outline(ENGLISH) == _outline(SPANISH)
    assert _outline(ENGLISH).count("## ") > 5


def test_both_have_the_same_commands_and_code() -> None:
    """Commands and code are identical; only SQL comments are translated."""
    assert _blocks(ENGLISH) == _blocks(SPANISH)
    assert ["sh", "make demo"] in _blocks(ENGLISH)


@BOTH
def test_every_setting_is_there_with_its_default(name: str) -> None:
    """Every setting is listed, in the order of the code, and no others."""
    expected = {key: _shown(field.default) for key, field in Settings.model_fields.items()}
    assert list(_settings(name).items()) == list(expected.items())


def test_the_defaults_in_the_table_are_values_that_the_settings_take() -> None:
    """Copying a default from the table into the environment changes nothing."""
    assert Settings.read(_settings(ENGLISH)) == Settings()


@BOTH
def test_what_goes_into_the_environment_has_the_right_names(name: str) -> None:
    """The names of settings and connections in the code blocks are correct."""
    names = re.findall(r"^ *(?:export )?(AIRFLOW_(?:CONN|_TABLERO)_\w+)=", _text(name), re.MULTILINE)
    connections = {f"AIRFLOW_CONN_{conn_id.upper()}" for conn_id in (lookup.SOURCE, lookup.API, lookup.OUTBOX)}
    settings = {f"AIRFLOW__TABLERO__{key.upper()}" for key in Settings.model_fields}
    assert connections < set(names) < connections | settings


@BOTH
def test_production_differs_from_the_default_in_the_service_only(name: str) -> None:
    """Production differs from the default address only in the service; a typo would cost time with the X-Road administrator."""
    (path,) = re.findall(r"AIRFLOW__TABLERO__API_PATH='(.+)'", _text(name))
    assert Settings.read({"api_path": path}).api_path == Settings().api_path.replace("INTEGRACION-DEV", "INTEGRACION")


@BOTH
def test_the_commands_for_docker_compose_are_those_of_their_page(name: str) -> None:
    """The commands for Docker Compose are those of their page, which tests/compose/ runs."""
    commands = re.findall(r"^ *(docker compose .*)$", _text(name), re.MULTILINE)
    assert len(commands) > 1
    assert set(commands) <= set(_text("docs/compose.md").splitlines())


@BOTH
def test_the_make_targets_exist(name: str) -> None:
    """Every make target mentioned in blocks or in the text exists."""
    targets = set(re.findall(r"(?:^ *|`)make ([a-z-]+)", _text(name), re.MULTILINE))
    assert {"demo", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", _text("Makefile"), re.MULTILINE), target


@BOTH
def test_the_wheel_that_it_installs_is_the_one_that_is_built(name: str) -> None:
    """The wheel is named with the current version and with an extra that exists."""
    wheels = set(re.findall(r"dist/(\S+?\.whl)(?:\[(\w+)\])?", _text(name)))
    assert wheels == {(f"tablero-{tablero.__version__}-py3-none-any.whl", "postgres")}


@BOTH
def test_links_lead_somewhere(name: str) -> None:
    """Links and pictures lead to existing files."""
    links = re.findall(r"\]\(([^)#:]+)\)", _text(name))
    assert "docs/page-in-airflow-1440.png" in links
    for link in links:
        assert (ROOT / link).is_file(), link
