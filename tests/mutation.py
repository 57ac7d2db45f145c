"""Finds changes to the rules that no test notices: ``python -m tests.mutation [contract|delivery|delivery/brake ...]``.

mutmut changes one thing at a time in the modules whose rules are tested as plain values, and runs their unit tests. What no
test notices is printed as a diff for a person to judge: either a test is missing, or the change has no effect.

mutmut knows a package by its path below ``src``, so it gets a copy in that layout.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".cache" / "mutation"
MUTMUT = str(Path(sys.executable).with_name("mutmut"))

CONFIGURATION = """
[tool.mutmut]
paths_to_mutate = {modules}
tests_dir = {tests}
also_copy = ["src", "tests", "sandbox", "pyproject.toml"]

[tool.pytest.ini_options]
pythonpath = ["src", "."]
addopts = "--import-mode=importlib -p no:cacheprovider"
markers = ["xdist_group(name): unused here"]
"""


def rules(room: str, name: str) -> tuple[list[str], list[str]]:
    """The modules below a folder of the package that have unit tests of the same name, and these tests.

    :param name: of one of them; empty for all.
    """
    tests = sorted((ROOT / "tests" / "unit" / room).rglob(f"test_{name or '*'}.py"))
    folder = ROOT / "plugins" / "tablero" / room
    tested = [(module, test) for test in tests for module in folder.rglob(f"{test.stem.removeprefix('test_')}.py")]
    return (
        [str(Path("src") / module.relative_to(ROOT / "plugins")) for module, _ in tested],
        [str(test.relative_to(ROOT)) for _, test in tested],
    )


def mutate(chosen: str) -> int:
    """Try all changes in one folder or module; returns the number that no test noticed."""
    room, _, name = chosen.partition("/")
    folder = FOLDER / chosen
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for part, copy in (("plugins", "src"), ("tests", "tests"), ("sandbox", "sandbox")):
        shutil.copytree(ROOT / part, folder / copy, ignore=ignored)
    modules, tests = rules(room, name)
    if not modules:
        raise SystemExit(f"{chosen}: no module with unit tests of its own")
    (folder / "pyproject.toml").write_text(CONFIGURATION.format(modules=modules, tests=tests), encoding="utf-8")
    with (folder / "mutmut.log").open("wb") as log:
        subprocess.run([MUTMUT, "run"], cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False)
    listed = subprocess.run([MUTMUT, "results"], cwd=folder, capture_output=True, text=True, check=True).stdout
    survivors = [line.partition(":")[0].strip() for line in listed.splitlines() if line.strip().endswith("survived")]
    for survivor in survivors:
        shown = subprocess.run([MUTMUT, "show", survivor], cwd=folder, capture_output=True, text=True, check=True)
        sys.stdout.write(shown.stdout)
    lines = (folder / "mutmut.log").read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    sys.stdout.write(f"\n{chosen}: {[line for line in lines if '🎉' in line][-1]}\n")
    return len(survivors)


def main() -> int:
    """The command line; the exit status is 0, since a surviving change needs a person's judgement."""
    for chosen in sys.argv[1:] or ("contract", "delivery"):
        mutate(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
