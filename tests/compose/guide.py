"""The commands that the operations guide gives for docker-compose.yaml, as they stand there."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.compose.stack import ROOT


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
    """Read them; both languages have the same, which tests/unit/test_operations_page.py sees to."""
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = guide.partition("\n## With docker-compose\n")[2].partition("\n## ")[0]
    return Commands(*re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))
