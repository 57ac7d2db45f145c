"""The blocks of code in the documents, as people copy them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

#: What people copy commands from; of each there is a Spanish one, which has the same blocks.
DOCUMENTS = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if ".es." not in path.name)]

_LINES = re.compile(
    r"^(?P<heading>#+ .*)$|^(?P<indent> *)```(?P<language>.+)\n(?P<text>(?:.*\n)*?)(?P=indent)```$", re.MULTILINE
)


class Block(NamedTuple):
    """A fenced block.

    :ivar document: its path in the repository.
    :ivar heading: what it stands under.
    :ivar number: how many stand before it under the same heading.
    :ivar language: all that stands behind the fence.
    :ivar text: without the indentation of a list.
    """

    document: str
    heading: str
    number: int
    language: str
    text: str


def blocks(document: str, heading: str | None = None, language: str | None = None) -> list[Block]:
    """The blocks of a document, or of one of its headings, or in one language, in their order."""
    found: list[Block] = []
    above, number = "", 0
    for match in _LINES.finditer((ROOT / document).read_text(encoding="utf-8")):
        if match["heading"]:
            above, number = match["heading"].lstrip("# "), 0
            continue
        found.append(Block(document, above, number, match["language"], dedent(match["text"])))
        number += 1
    return [one for one in found if heading in (None, one.heading) and language in (None, one.language)]


def commands(document: str, heading: str) -> list[str]:
    """What is typed into a shell, under a heading."""
    return [block.text for block in blocks(document, heading, "sh")]


def spanish(document: str) -> str:
    """The same document in Spanish."""
    return document.replace(".md", ".es.md")
