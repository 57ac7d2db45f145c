"""Other Airflows and other Pythons: ``python -m tests.package.matrix airflows|pythons [VERSION ...]``.

Each one has an environment of its own, with the newest compatible versions of all requirements. For Airflow: unit
tests, the page, and an institution's first evening in a real one of that version. For Python: lint, types, unit tests.
Prints a table; with ``--publish`` the lines for Airflow go into the READMEs, where those of other versions stay, so that it
may be run in stretches. The exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

from tests.package.environments import ROOT, Environment, airflows

#: The Python versions that the package declares.
PYTHONS = ("3.10", "3.11", "3.12", "3.13")

#: The tests for each column of the table.
UNITS = ("tests/unit", "tests/airflow_units")
PAGE = ("tests/web",)
RUNS = ("tests/airflow/test_first_evening.py",)

#: On all cores; only DAG runs share one Airflow, which is started once.
PARALLEL = ("--numprocesses", "logical")


class Result(NamedTuple):
    """One line of the table."""

    version: str
    cells: list[str]

    @property
    def failed(self) -> bool:
        """Whether any part of it failed."""
        return any("✗" in cell for cell in self.cells)


def on_airflow(version: str, folder: Path) -> Result:
    """Test one version of Airflow."""
    environment = Environment(folder)
    tools = [line for line in needed() if not line.startswith("apache-airflow==")]
    environment.install("--prerelease=if-necessary-or-explicit", f"apache-airflow=={version}", *tools)
    return Result(
        version,
        [passed(environment, *PARALLEL, *UNITS), passed(environment, *PARALLEL, *PAGE), passed(environment, *RUNS)],
    )


def on_python(version: str, folder: Path) -> Result:
    """Test one version of Python, with the packages pinned for it."""
    environment = Environment(folder, interpreter(version))
    environment.install("--requirement", str(ROOT / "requirements.txt"))
    checks = [("ruff", "check"), ("mypy", "--python-version", version, "--cache-dir", str(folder / "mypy"))]
    return Result(
        version, [*(succeeded(environment, *check) for check in checks), passed(environment, *PARALLEL, "tests/unit")]
    )


def interpreter(version: str) -> str:
    """The path of a Python of pyenv, whose wrapper programs may not work; otherwise a version for uv."""
    found = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    return str(found[-1]) if found else version


def needed() -> Iterator[str]:
    """The packages in requirements.in."""
    for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines():
        if name := line.partition("#")[0].strip():
            yield name


def succeeded(environment: Environment, *command: str) -> str:
    """A cell: whether a program succeeded."""
    return "✗" if ask(environment, *command).returncode else "✓"


def passed(environment: Environment, *words: str) -> str:
    """A cell: how many tests passed. Leaves no files in the folder."""
    done = ask(environment, "python", "-m", "pytest", "-q", "-m", "not system", "-p", "no:cacheprovider", *words)
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout.splitlines()[-1])}
    good = counts.pop("passed", 0)
    return f"✗ {sum(counts.values())} / {good}" if done.returncode else f"✓ {good}"


def ask(environment: Environment, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment; its errors go to standard error."""
    words = [environment.program(command[0]), *command[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{' '.join(words)}\n{done.stdout[-8000:]}{done.stderr[-2000:]}\n")
    return done


def table(heads: list[str], results: list[Result]) -> str:
    """The table in Markdown."""
    lines = [heads, ["---"] * len(heads), *([result.version, *result.cells] for result in results)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def publish(heads: list[str], results: list[Result]) -> None:
    """Put the lines between the marks in both READMEs, in the order of the versions; lines of other versions stay."""
    for name in ("README.md", "README.es.md"):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        before, marked, after = re.split(r"(?<=<!-- airflows -->\n)(.*?)(?=<!-- /airflows -->)", text, flags=re.DOTALL)
        merged = {one.version: one for one in [*published(marked), *results]}
        lines = table(heads, [merged[version] for version in sorted(merged, key=Version)])
        path.write_text(f"{before}{lines}{after}", encoding="utf-8")


def published(lines: str) -> Iterator[Result]:
    """The results in a table."""
    for line in lines.splitlines()[2:]:
        version, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        yield Result(version, cells)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.package.matrix", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("axis", choices=["airflows", "pythons"])
    parser.add_argument("versions", nargs="*", help="default: all")
    parser.add_argument("--publish", action="store_true", help="the table into the READMEs")
    asked = parser.parse_args()
    test: Callable[[str, Path], Result] = on_airflow if asked.axis == "airflows" else on_python
    heads = {"airflows": ["Airflow", "units", "page", "DAG runs"], "pythons": ["Python", "ruff", "mypy", "units"]}[asked.axis]
    results = []
    for version in asked.versions or (airflows() if asked.axis == "airflows" else PYTHONS):
        with tempfile.TemporaryDirectory(prefix="tablero-matrix-") as folder:
            results.append(test(version, Path(folder) / "venv"))
        sys.stdout.write(table(heads, results[-1:]).splitlines()[-1] + "\n")
        sys.stdout.flush()
    lines = table(heads, results)
    sys.stdout.write(f"\n{datetime.now(timezone.utc):%Y-%m-%d}\n\n{lines}")
    if asked.publish:
        publish(heads, results)
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    sys.exit(main())
