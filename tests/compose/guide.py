"""The commands in docs/compose.md, unchanged."""

from __future__ import annotations

from typing import NamedTuple

from tests.guides.blocks import commands as typed


class Commands(NamedTuple):
    """One block each, in the guide's order; an additional or missing block raises an error."""

    start: str
    pause: str
    unpause: str
    check: str
    back_up: str
    empty: str
    restore: str
    adopt: str
    drop: str


def commands() -> Commands:
    """Read them; tests/unit/test_blocks.py checks that both languages have the same."""
    return Commands(*typed("docs/compose.md", "Commands"))
