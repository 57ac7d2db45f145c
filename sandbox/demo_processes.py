"""Programs started by the demo, each in a session of its own, so that they can be ended with all their children.

Process groups are not enough: Airflow gives each task a group of its own, within the same session.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from sandbox.demo_failure import DemoError

#: Signals that end the demo. A closed terminal window sends SIGHUP.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Seconds for programs to end by themselves before they are killed. A task without its API server would wait longer.
_PATIENCE = 5.0
_KILL_SECONDS = 15.0


class Program:
    """A running program.

    :param name: its name in an error.
    :param log: file for its output; overwritten.
    """

    def __init__(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def session(self) -> int:
        """The id of its session, which is that of its first process."""
        return self._process.pid

    def exit_status(self) -> int | None:
        """The exit status of its first process; ``None`` while it runs."""
        return self._process.poll()

    def must_run(self) -> None:
        """Raise if it has ended.

        :raises DemoError: names it.
        """
        if self.exit_status() is not None:
            raise DemoError(f"{self.name}: terminó / ended (exit status {self.exit_status()})", self.log)

    def must_succeed(self) -> None:
        """Wait until it has ended, and raise if it failed.

        :raises DemoError: names it.
        """
        if self._process.wait() != 0:
            self.must_run()


class Programs:
    """All programs of a demo; leaving the block ends them. Meanwhile, further signals are ignored.

    :param folder: the working folder of the programs, or its parent.
    :param logs: folder for their output.
    """

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder = folder
        self._logs = logs
        self._record = folder / "sessions"
        self._sessions: list[int] = []

    def start(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> Program:
        """Start a program; its log has the same name."""
        log = self._logs / f"{name.replace(' ', '-')}.log"
        program = Program(name, command, environment=environment, folder=folder, log=log)
        self._sessions.append(program.session)
        self._record.write_text("\n".join(map(str, self._sessions)))
        return program

    def __enter__(self) -> Programs:
        """First end what a killed demo left behind in this folder."""
        end(self._left_behind())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with _undisturbed():
            self._end_all()

    def _end_all(self) -> None:
        # Children too: a signal may have arrived between the start of one and its entry in the list.
        children = {child.pid for child in psutil.Process().children() if self._works_here(child)}
        left = end({*self._sessions, *children})
        if left:
            raise DemoError(f"Siguen en marcha / still running: {', '.join(map(str, left))}")
        self._record.unlink(missing_ok=True)

    def _left_behind(self) -> set[int]:
        with contextlib.suppress(FileNotFoundError):
            recorded = {int(line) for line in self._record.read_text().split()}
            # A number may have been reused: only processes in the demo's folder count.
            return {os.getsid(process.pid) for process in living(recorded) if self._works_here(process)}
        return set()

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return Path(process.cwd()).is_relative_to(self._folder)
        except psutil.Error:
            return False


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def living(sessions: Collection[int]) -> list[psutil.Process]:
    """All processes of these sessions that have not ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue  # it ended in the meantime, or is another user's
    return found


def end(sessions: Collection[int], patience: float = _PATIENCE) -> list[psutil.Process]:
    """End all processes of these sessions: by SIGTERM, and by SIGKILL after ``patience`` seconds.

    :returns: those that survived; empty if all have ended.
    """
    for process in living(sessions):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in _after(patience, sessions):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return _after(_KILL_SECONDS, sessions)


def _after(seconds: float, sessions: Collection[int]) -> list[psutil.Process]:
    """The processes alive after ``seconds``; returns earlier once none is left."""
    deadline = time.monotonic() + seconds
    while (left := living(sessions)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
