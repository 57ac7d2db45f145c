"""The command line explains itself in both languages."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
from tablero.command_line import parser


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """All commands by name."""
    for action in parser.build()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def test_the_commands() -> None:
    """The commands that operators and monitors rely on exist."""
    assert {name for name, _ in commands()} == {
        "check",
        "status",
        "settings",
        "rows",
        "rejections",
        "adopt",
        "move",
        "dags",
        "version",
    }


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else "")
def test_help_in_both_languages(name: str, command: argparse.ArgumentParser) -> None:
    """The help describes each command and each of its options."""
    assert " / " in str(command.description)
    for action in command._actions:
        if not isinstance(action, argparse._HelpAction):
            assert " / " in str(action.help), f"{name} {action.dest}"
