"""The demonstration as a newcomer sees it: interrupted, continued and repeated, with a real Airflow."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.system]

ROOT = Path(__file__).resolve().parents[2]
MINUTES = 15 * 60


def _command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "sandbox.demo", "--folder", str(folder), "--rows", "2000", *options]


def _environment(folder: Path) -> dict[str, str]:
    """An empty home, as on a new machine."""
    return {"HOME": str(folder / "nowhere"), "PATH": os.environ["PATH"]}


def _at_work_in(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(" ".join(process.cmdline()))
    return found


def _run_once(folder: Path) -> subprocess.CompletedProcess[str]:
    command = _command(folder, "--once")
    return subprocess.run(
        command, cwd=ROOT, env=_environment(folder), text=True, capture_output=True, timeout=MINUTES, check=False
    )


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A demo that received SIGTERM in the middle of the load: its folder, and its exit status."""
    folder = tmp_path_factory.mktemp("demo")
    command = _command(folder)
    demo = subprocess.Popen(command, cwd=ROOT, env=_environment(folder), text=True, stdout=subprocess.PIPE)
    assert demo.stdout is not None
    deadline = time.monotonic() + MINUTES
    for line in demo.stdout:
        if re.search(r"[1-9]\d?/\d\d meses", line) or time.monotonic() > deadline:
            break
    demo.send_signal(signal.SIGTERM)
    demo.stdout.read()
    return folder, demo.wait(60)


@pytest.fixture(scope="module")
def continued(interrupted: tuple[Path, int]) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The next demo in the same folder, run to its end."""
    folder, _ = interrupted
    return folder, _run_once(folder)


def test_an_interrupted_demo_leaves_no_process_behind(interrupted: tuple[Path, int]) -> None:
    """An interrupted demo leaves no process behind and does not report success."""
    folder, exit_status = interrupted
    assert exit_status == 130
    assert _at_work_in(folder) == []


def test_the_next_demo_goes_on_and_proves_that_nothing_is_lost_or_sent_twice(
    continued: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """The next demo keeps the rows already sent, and every statement of the proof holds."""
    folder, demo = continued
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "✗" not in demo.stdout
    sums = re.search(r"^  ([\d,]+) = ([\d,+ ]+)$", demo.stdout, re.MULTILINE)
    assert sums is not None
    read, *ended = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+", sums[0]))
    assert read == sum(ended) == 2_000 + 120
    assert _at_work_in(folder) == []


def test_a_second_demo_sends_nothing(continued: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """A second demo reads everything again, finds all of it delivered, and says so."""
    folder, _ = continued
    demo = _run_once(folder)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert re.search(r"this time: 0; ", demo.stdout)
