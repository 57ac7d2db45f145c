"""A folder imports only from the folders that the table allows, without cycles, and the core does not import Airflow."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"

#: What every folder may import.
GROUND = {"settings", "errors", "texts"}

#: The table of folders, top floor first: what each may import of ours. Modules of one folder may import one another.
FOLDERS: dict[str, set[str]] = {
    "__main__": {"command_line", "package"} | GROUND,
    "command_line": {"package", "airflow", "airflow.runs", "web", "delivery", "outbox", "outbox.reports", "contract"} | GROUND,
    "package": {"airflow", "dashboard", "source"} | GROUND,
    "callbacks": {"airflow"} | GROUND,
    "airflow": {
        "airflow.alerts",
        "airflow.connections",
        "airflow.runs",
        "web",
        "delivery",
        "delivery.health",
        "outbox",
        "outbox.alerts",
        "outbox.reports",
        "dashboard",
        "source",
        "contract",
    }
    | GROUND,
    "airflow.connections": {"source"} | GROUND,
    "airflow.runs": {
        "airflow",
        "delivery",
        "delivery.health",
        "outbox",
        "outbox.reports",
        "dashboard",
        "contract",
    }
    | GROUND,
    "airflow.alerts": {"dashboard", "delivery.health", "outbox", "outbox.alerts"} | GROUND,
    "web": {"web.routes", "web.coverage", "delivery.health", "outbox", "outbox.reports", "contract"} | GROUND,
    "web.coverage": {"delivery.health", "outbox", "outbox.reports", "contract"} | GROUND,
    "web.routes": {"web", "web.coverage", "outbox", "outbox.reports", "contract"} | GROUND,
    "delivery": {"delivery.posting", "outbox", "outbox.queue", "outbox.reports", "dashboard", "source", "contract"} | GROUND,
    "delivery.posting": {"outbox", "outbox.queue", "dashboard", "contract"} | GROUND,
    "delivery.health": {"outbox", "outbox.reports", "contract"} | GROUND,
    "outbox.alerts": {"outbox"} | GROUND,
    "outbox.migrations": {"outbox", "contract"},
    "outbox.reports": {"outbox", "outbox.alerts", "contract"} | GROUND,
    "outbox.queue": {"outbox", "dashboard", "contract"} | GROUND,
    "outbox": {"outbox.queue", "dashboard", "source", "contract"} | GROUND,
    "dashboard": {"contract"} | GROUND,
    "source": {"source.dialects", "contract"} | GROUND,
    "source.dialects": {"contract"} | GROUND,
    "contract": {"errors", "texts"},
    "settings": {"errors", "texts"},
    "errors": {"texts"},
    "texts": set(),
}

#: The only places that may import Airflow, at whatever point: a folder, or one module.
AIRFLOW = {"package", "airflow", "airflow.alerts", "airflow.connections", "web", "web.routes", "dashboard.client"}

#: Everything that must run in a plain Python process, without Airflow, also indirectly.
PLAIN = {
    "delivery",
    "delivery.posting",
    "delivery.health",
    "outbox",
    "outbox.alerts",
    "outbox.queue",
    "outbox.reports",
    "source",
    "contract",
} | GROUND

#: Our modules that a DAG file may import when it is parsed.
AT_THE_TOP_OF_A_DAG = {
    *(f"airflow.{name}" for name in ("assets", "callbacks", "configuration", "operators", "timetable")),
    "package.supported",
    "texts.forms",
}

#: The number of modules that a newcomer can survey.
MOST_MODULES = 13


def modules() -> dict[str, ast.Module]:
    """All modules of the package by name, without ``tablero.``"""
    found = {}
    for path in sorted((PLUGINS / "tablero").rglob("*.py")):
        name = ".".join(path.relative_to(PLUGINS / "tablero").with_suffix("").parts)
        if not name.endswith("__init__"):
            found[name] = ast.parse(path.read_text(), str(path))
    return found


MODULES = modules()


def imported(tree: ast.Module | ast.FunctionDef, *, deep: bool = True) -> Iterator[str]:
    """Full names of the modules that a module imports, also inside functions unless excluded.

    Imports for type checkers alone count too: a reader follows them as well.
    """
    nodes = ast.walk(tree) if deep else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner.removeprefix("tablero.") in MODULES else str(node.module)


def ours(tree: ast.Module | ast.FunctionDef, *, deep: bool = True) -> set[str]:
    return {name.removeprefix("tablero.") for name in imported(tree, deep=deep) if name.partition(".")[0] == "tablero"}


def folder_of(name: str) -> str:
    """The folder of a module, or of a module's name and what is imported from it."""
    parts = name.split(".")
    return next(folder for size in (2, 1) if (folder := ".".join(parts[:size])) in FOLDERS)


def test_the_table_lists_every_folder() -> None:
    """The table lists every folder exactly once, and no others."""
    assert {folder_of(name) for name in MODULES} == set(FOLDERS)


#: What each module imports: of this package, and all of it.
OURS = {name: ours(tree) for name, tree in MODULES.items()}
IMPORTED = {name: {one.partition(".")[0] for one in imported(tree)} for name, tree in MODULES.items()}


def test_a_folder_imports_only_what_the_table_allows() -> None:
    """A folder imports only its own modules and those of the folders in the table."""
    forbidden = [
        f"{name} imports {other}"
        for name, others in OURS.items()
        for other in others - {"tablero"}
        if folder_of(other) not in FOLDERS[folder_of(name)] | {folder_of(name)}
    ]
    assert forbidden == []


def test_the_table_goes_in_no_circles() -> None:
    """A change of a folder affects only the folders above it. A folder and its subfolders count as one."""
    graph = {
        folder: {other for other in allowed if not other.startswith(f"{folder}.") and not folder.startswith(f"{other}.")}
        for folder, allowed in FOLDERS.items()
    }
    TopologicalSorter(graph).prepare()


def test_the_table_allows_nothing_that_is_not_used() -> None:
    """Every permission in the table is used."""
    used = {folder: set[str]() for folder in FOLDERS}
    for name, tree in MODULES.items():
        used[folder_of(name)] |= {folder_of(other) for other in ours(tree) - {"tablero"}}
    unused = {folder: allowed - GROUND - used[folder] for folder, allowed in FOLDERS.items()}
    assert {folder: others for folder, others in unused.items() if others} == {}


def test_folders_can_be_taken_in_at_one_look() -> None:
    """No folder has too many modules."""
    counts = Counter(folder_of(name) for name in MODULES)
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_the_front_door_imports_nothing() -> None:
    """Each ``__init__`` contains only a docstring that describes the folder; the top one also has the version."""
    for path in (PLUGINS / "tablero").rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        rest = [ast.unparse(node) for node in tree.body[1:]]
        assert all(line.startswith("__version__ = ") for line in rest), path


def test_the_front_door_shows_the_house_as_it_stands() -> None:
    """The diagram in the package's docstring shows every folder, and the path of a row names existing modules."""
    picture = ast.get_docstring(ast.parse((PLUGINS / "tablero" / "__init__.py").read_text())) or ""
    folders = {path.parent.relative_to(PLUGINS / "tablero") for path in (PLUGINS / "tablero").rglob("__init__.py")} - {Path()}
    assert [str(folder) for folder in folders if f"{folder.name}/" not in picture] == []
    assert [name for name in re.findall(r"``(\w+\.\w+)``", picture) if not name.endswith(".py") and name not in MODULES] == []


def test_no_circles() -> None:
    """There are no import cycles anywhere, not even in the web page."""
    graph = {name: {other for other in others if other in MODULES} for name, others in OURS.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


USES_AIRFLOW = {name for name, others in IMPORTED.items() if "airflow" in others}


def test_who_imports_airflow() -> None:
    """Airflow is imported only in the listed places; everything else runs in a plain Python process."""
    assert [name for name in USES_AIRFLOW if folder_of(name) not in AIRFLOW and name not in AIRFLOW] == []


def test_the_core_stands_on_no_airflow() -> None:
    """The core imports Airflow not even indirectly: the benchmark and the tests run without it."""
    seen: set[str] = set()
    left = {name for name in MODULES if folder_of(name) in PLAIN}
    while left:
        one = left.pop()
        seen.add(one)
        left |= {other for other in OURS[one] if other in MODULES} - seen
    assert seen & USES_AIRFLOW == set()


@pytest.mark.parametrize("name", ["historical_load", "daily_send"])
def test_dag_files_import_little_when_parsed(name: str) -> None:
    """At the top a DAG file imports only what defines the DAG, and inside its tasks only ``tasks``."""
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    at_the_top = ours(tree, deep=False)
    assert at_the_top <= AT_THE_TOP_OF_A_DAG
    inside = {one for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for one in ours(node)}
    assert inside == {"airflow.tasks"}


@pytest.mark.parametrize("path", [*(ROOT / "dags").glob("*.py"), *PLUGINS.glob("*.py")], ids=lambda path: path.name)
def test_wiring_does_not_know_other_wiring(path: Path) -> None:
    """DAG files and the plugin import the package, but never each other."""
    wiring = {other.stem for other in [*(ROOT / "dags").glob("*.py"), *PLUGINS.glob("*.py")]}
    assert not {name.partition(".")[0] for name in imported(ast.parse(path.read_text()))} & wiring


FORBIDDEN = {"tenacity", "stamina", "backoff"}


def test_retries_belong_to_the_task() -> None:
    """There is no retry library and no sleep, which would occupy a worker and hide retries from Airflow."""
    assert [name for name, others in IMPORTED.items() if others & FORBIDDEN] == []
    sleeping = [
        f"{name}:{node.lineno}"
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "sleep"
    ]
    assert sleeping == []


NOT_OURS = {"Exception", "BaseException", "AirflowException", "AirflowFailException", "AirflowSkipException"}


def test_errors_are_ours() -> None:
    """Neither a bare ``Exception`` nor one of Airflow's that would bypass the retry policy is raised."""
    raised = [
        f"{name}:{node.lineno}"
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and node.exc is not None
        and ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc) in NOT_OURS
    ]
    assert raised == []
