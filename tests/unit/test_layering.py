"""A module imports only from floors below its own, nothing goes in circles, and the core knows no Airflow."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"

#: Every module by its floor, as in the drawing of the design: 0 errors, 1 facts and rules, 2 plumbing, 3 the three outside
#: worlds and Airflow's own forms, 4 use cases, 5 composition. The digits after the point order the modules of one floor.
FLOORS: dict[float, str] = {
    0: "errors",
    1: "instants settings windows attempt hours sorting secrecy",
    1.1: "contract",
    2: "xroad binary database dialects packing throttle refusal deadline transport",
    3: "source dashboard retries timetable pausing outbox.schema",
    3.1: "outbox.rows outbox.batches outbox.incidents outbox.ledger outbox.target",
    3.2: "outbox.intake outbox.queue supply",
    3.3: "outbox.adoption outbox.reports outbox.reports_actions outbox.reports_evidence outbox.reports_requests",
    3.4: "outbox.reports_activity outbox.reports_coverage outbox.reports_rejections outbox.reports_windows",
    3.5: "outbox.requeue",
    4: "staging sending reconciling planning preflight alerting signals lineage",
    4.1: "adopting loading",
    5: "configuration",
    5.1: "tasks callbacks page",
    5.2: "__main__",
}

#: Not floors of the core: the page, which has an order of its own, and migrations, which the database runs.
APART = ("web", "migrations")

#: The only modules that may import Airflow, at whatever point.
AIRFLOW = {
    *("dashboard", "deadline", "timetable", "retries", "pausing", "signals", "lineage", "configuration", "callbacks"),
    *("web.access", "web.airflow_runs", "web.app", "web.page"),
}

#: What a DAG file may import of ours when it is parsed.
AT_THE_TOP_OF_A_DAG = {"callbacks", "configuration", "pausing", "signals", "timetable"}


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
    """Full names of what a module imports, also inside functions unless told otherwise.

    Imports for type checkers alone count too: a reader follows them all the same.
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


def floor_of(name: str) -> float:
    return next(floor for floor, names in FLOORS.items() if name in names.split())


CORE = [name for name in MODULES if name.partition(".")[0] not in APART]


def test_every_module_has_a_floor() -> None:
    """One, and none is listed that does not exist."""
    listed = [name for names in FLOORS.values() for name in names.split()]
    assert sorted(listed) == sorted(CORE)


@pytest.mark.parametrize("name", CORE)
def test_imports_come_from_below(name: str) -> None:
    """From floors strictly below; only the composing floor knows the page."""
    for other in ours(MODULES[name]):
        if other.partition(".")[0] in APART:
            assert name == "page", f"{name} imports {other}"
        elif other not in ("tablero", "outbox"):
            assert floor_of(other) < floor_of(name), f"{name} imports {other}, which is not below it"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("web.")])
def test_the_page_stands_on_the_outbox(name: str) -> None:
    """Of the core it knows the questions to the outbox and what is below; no use case, no configuration."""
    for other in ours(MODULES[name]):
        if not other.startswith("web."):
            assert floor_of(other) < 4, f"{name} imports {other}"


def listed_in(package: str) -> list[set[str]]:
    """The modules that the table in a package's docstring lists, line by line; a line that goes on counts as one."""
    docstring = ast.get_docstring(ast.parse((PLUGINS / "tablero" / package / "__init__.py").read_text())) or ""
    lines = re.split(r"\n(?=\S)", docstring.split("==\n")[1])
    found = [set(re.findall(r"``([\w*]+)``", line)) for line in lines]
    inside = [name.removeprefix(f"{package}.") for name in MODULES if name.startswith(f"{package}.")]
    return [{module for name in names for module in fnmatch.filter(inside, name) or [name]} for names in found if names]


@pytest.mark.parametrize("package", ["outbox", "web"])
def test_a_package_lists_its_modules(package: str) -> None:
    """Its docstring is where a reader begins: every module stands there once, and none that does not exist."""
    listed = [name for names in listed_in(package) for name in names]
    assert sorted(listed) == sorted(name.removeprefix(f"{package}.") for name in MODULES if name.startswith(f"{package}."))


def test_the_staircase_of_the_page() -> None:
    """Its modules import from lower steps than their own; files of pages from one another too."""
    steps = {f"web.{name}": number for number, names in enumerate(reversed(listed_in("web"))) for name in names}
    for name, step in steps.items():
        for other in ours(MODULES[name]) & steps.keys():
            among_pages = name.startswith("web.routes_") and other.startswith("web.routes_")
            assert steps[other] < step or among_pages, f"{name} imports {other}, which is not below it"


def test_no_circles() -> None:
    """Anywhere, the page included."""
    graph = {name: {other for other in ours(tree) if other in MODULES} for name, tree in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_who_imports_airflow() -> None:
    """Exactly the modules listed: everything else runs in a plain Python process."""
    found = {name for name, tree in MODULES.items() if any(one.partition(".")[0] == "airflow" for one in imported(tree))}
    assert found == AIRFLOW


@pytest.mark.parametrize("name", [name for name in CORE if name.startswith("outbox.") or name in ("staging", "sending")])
def test_the_core_stands_on_no_airflow(name: str) -> None:
    """Not even through others: the benchmark and the tests run it without."""
    seen: set[str] = set()
    left = {name}
    while left:
        one = left.pop()
        seen.add(one)
        left |= {other for other in ours(MODULES[one]) if other in MODULES} - seen
    assert not seen & AIRFLOW


@pytest.mark.parametrize("name", ["historical_load", "daily_send"])
def test_dag_files_import_little_when_parsed(name: str) -> None:
    """At the top only what shapes the DAG; inside of tasks only ``tasks``."""
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    at_the_top = ours(tree, deep=False)
    assert at_the_top <= AT_THE_TOP_OF_A_DAG
    inside = {one for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for one in ours(node)}
    assert inside == {"tasks"}


@pytest.mark.parametrize("path", [*(ROOT / "dags").glob("*.py"), *PLUGINS.glob("*.py")], ids=lambda path: path.name)
def test_wiring_does_not_know_other_wiring(path: Path) -> None:
    """DAG files and the plugin import the package, never one another."""
    wiring = {other.stem for other in [*(ROOT / "dags").glob("*.py"), *PLUGINS.glob("*.py")]}
    assert not {name.partition(".")[0] for name in imported(ast.parse(path.read_text()))} & wiring


FORBIDDEN = ("tenacity", "stamina", "backoff")


@pytest.mark.parametrize("name", list(MODULES))
def test_retries_belong_to_the_task(name: str) -> None:
    """No retry library and no sleep inside: they would hold a worker and hide tries from Airflow."""
    tree = MODULES[name]
    assert not {one.partition(".")[0] for one in imported(tree)} & set(FORBIDDEN)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "sleep"]


@pytest.mark.parametrize("name", list(MODULES))
def test_errors_are_ours(name: str) -> None:
    """No bare ``Exception``, and none of Airflow's that would pass the retry policy by."""
    raised = {
        ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    assert not raised & {"Exception", "BaseException", "AirflowException", "AirflowFailException", "AirflowSkipException"}
