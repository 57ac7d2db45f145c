"""No process started by the demo outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.demo_failure import DemoError
from sandbox.demo_processes import SIGNALS, Program, Programs, end, living
from tests.waiting import wait_for

# As in Airflow: a child in a process group of its own that ignores SIGTERM.
STUBBORN = """
import os, signal, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(600)
time.sleep(600)
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a program in ``tmp_path``; whatever remains of it after the test is killed."""
    started: list[Program] = []

    def start(code: str, folder: Path = tmp_path) -> Program:
        log = tmp_path / f"{len(started)}.log"
        program = Program("test", [sys.executable, "-c", code], environment=os.environ, folder=folder, log=log)
        started.append(program)
        return program

    yield start
    end({program.session for program in started}, patience=0)


def test_a_program_is_ended_with_children_that_left_its_process_group(launch: Callable[..., Program]) -> None:
    """A hanging task in a group of its own that ignores SIGTERM is ended with the scheduler that started it."""
    program = launch(STUBBORN)
    wait_for("it is ready", lambda: "ready" in program.log.read_text())
    assert len(living({program.session})) == 2

    assert end({program.session}, patience=0.5) == []

    assert living({program.session}) == []


def test_programs_end_when_the_demo_does(tmp_path: Path) -> None:
    """Leaving the block for any reason ends all programs and forgets their sessions."""
    started: list[Program] = []

    def interrupted() -> None:
        with Programs(tmp_path, tmp_path) as programs:
            command = [sys.executable, "-c", "import time; time.sleep(600)"]
            started.append(programs.start("one", command, environment=os.environ, folder=tmp_path))
            assert started[0].exit_status() is None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert living({started[0].session}) == []
    assert not (tmp_path / "sessions").exists()


def test_signals_work_again_afterwards(tmp_path: Path) -> None:
    """Signals are ignored only while programs are being ended."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with Programs(tmp_path, tmp_path):
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_demo_ends_what_a_killed_one_left_behind(tmp_path: Path, launch: Callable[..., Program]) -> None:
    """After SIGKILL a demo cannot clean up; the next one in the folder does."""
    orphan = launch("import time; time.sleep(600)")
    (tmp_path / "sessions").write_text(str(orphan.session))

    with Programs(tmp_path, tmp_path):
        assert living({orphan.session}) == []


def test_a_demo_ends_no_one_elses_processes(tmp_path: Path, launch: Callable[..., Program]) -> None:
    """A recorded number that now belongs to a process outside of the folder is left alone."""
    demo = tmp_path / "demo"
    demo.mkdir()
    stranger = launch("import time; time.sleep(600)", tmp_path)
    (demo / "sessions").write_text(str(stranger.session))

    with Programs(demo, tmp_path):
        assert len(living({stranger.session})) == 1


def test_a_program_that_ended_is_named_with_its_log(launch: Callable[..., Program]) -> None:
    """A part that ends is reported with its exit status and its log."""
    program = launch("import sys; sys.exit('no space left')")
    with pytest.raises(DemoError, match="exit status 1") as caught:
        program.must_succeed()
    assert caught.value.log is not None
    assert "no space left" in caught.value.log.read_text()


def test_signals_do_not_interrupt_the_tidying_up(tmp_path: Path) -> None:
    """A second Ctrl-C while programs are being ended has no effect."""
    code = f"""
import os, signal, sys, time
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from pathlib import Path
from sandbox.demo_processes import Programs
folder = Path({str(tmp_path)!r})
try:
    with Programs(folder, folder) as programs:
        command = [sys.executable, "-c", {STUBBORN!r}]
        stubborn = programs.start("stubborn", command, environment=os.environ, folder=folder)
        while "ready" not in stubborn.log.read_text():
            time.sleep(0.05)
        print(stubborn.session, flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("tidy", flush=True)
"""
    demo = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    session = int(demo.stdout.readline())
    demo.send_signal(signal.SIGINT)
    wait_for("one has ended on SIGTERM, and the other is awaited", lambda: len(living({session})) == 1)
    demo.send_signal(signal.SIGINT)

    assert demo.stdout.read() == "tidy\n"
    assert demo.wait(60) == 0
    assert living({session}) == []
    assert not psutil.pid_exists(session)
