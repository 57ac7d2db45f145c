"""The commands that docs/compose.md gives, as they stand there."""

from __future__ import annotations

from typing import NamedTuple

from tests.guides.blocks import commands as typed


class Commands(NamedTuple):
    """One block each, in the order of the guide; a block more or less there is an error here."""

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
    """Read them; both languages have the same, which tests/unit/test_blocks.py sees to."""
    return Commands(*typed("docs/compose.md", "Commands"))
