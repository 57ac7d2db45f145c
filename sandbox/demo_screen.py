"""The demo's output: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from sandbox.demo_proof import Account, Finding, Progress

#: Seconds between two lines where there is no terminal.
_PLAIN_SECONDS = 5.0

_PLAIN_WIDTH = 120

_COLUMNS = (
    ("", ""),
    ("leídas", "read"),
    ("entregadas", "delivered"),
    ("rechazadas", "rejected"),
    ("excluidas", "excluded"),
    ("duplicadas", "duplicates"),
    ("pendientes", "pending"),
)


class Screen:
    """Where the demo prints its progress.

    :param console: a terminal, a pipe or a file.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        if not console.is_terminal:
            console.width = _PLAIN_WIDTH

    def say(self, text: str = "", style: str | None = None) -> None:
        """Print some lines as they are."""
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show that something is in progress, and how long it took."""
        began = time.monotonic()
        with self._console.status(text) if self._console.is_terminal else nullcontext():
            yield
        self.say(f"✓ {text}  ({time.monotonic() - began:.1f} s)")

    @contextmanager
    def progress(self, text: str, months: int) -> Iterator[Callable[[Progress], None]]:
        """Show the progress of a load of many months; call the yielded function whenever it changes."""
        began = time.monotonic()
        done = Progress()

        def line() -> str:
            return describe(done, months, time.monotonic() - began)

        if self._console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
            with Bar(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task(text, total=months, line="")

                def show(progress: Progress) -> None:
                    nonlocal done
                    done = progress
                    bar.update(task, completed=progress.windows, line=line())

                yield show
        else:
            due = began

            def print_when_due(progress: Progress) -> None:
                nonlocal done, due
                done = progress
                if time.monotonic() >= due:
                    due = time.monotonic() + _PLAIN_SECONDS
                    self.say(f"  {text}: {line()}")

            yield print_when_due
        self.say(f"✓ {text}: {line()}")

    def accounts(self, months: Sequence[Account], day: Account) -> None:
        """Print the states of all rows."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for spanish, english in _COLUMNS:
            table.add_column(f"{spanish}\n{english}", justify="right" if spanish else "left", no_wrap=True)
        for account in months:
            table.add_row(*_cells(account))
        table.add_section()
        table.add_row(*_cells(sum(months, Account("total"))), style="bold")
        table.add_row(*_cells(day))
        self._console.print(table)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Print the proof."""
        for holds, text in findings:
            self.say(f"{'✓' if holds else '✗'} {text}", "green" if holds else "bold red")


def describe(progress: Progress, months: int, seconds: float) -> str:
    """The progress, speed and expected end of a load, in one line.

    :param months: their number.
    :param seconds: since the start.
    """
    parts = [f"{progress.windows}/{months} meses/months", f"{progress.rows:,} filas/rows"]
    if progress.rows and seconds > 0:
        parts.append(f"{progress.rows / seconds:,.0f}/s")
    if 0 < progress.windows < months:
        left = seconds / progress.windows * (months - progress.windows)
        parts.append(f"faltan/left {timedelta(seconds=round(left))}")
    else:
        parts.append(str(timedelta(seconds=round(seconds))))
    return "  ".join(parts)


def _cells(account: Account) -> tuple[str, ...]:
    numbers = (
        account.read,
        account.delivered,
        account.rejected.total(),
        account.excluded,
        account.duplicates,
        account.pending,
    )
    return (account.label, *(f"{number:,}" for number in numbers))
