"""On the Python path of the tests' Airflow: makes the source lose rows while they are read, but not while they are counted.

A row is lost if its request id says so; no other test uses such ids. Python runs this file whenever it starts, so it imports
nothing: the reader is changed when something imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

READER, LOST = "tablero.source.reader", "lost-in-reading"


class _Finder:
    """Intervenes once, for the reader alone."""

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        if name != READER:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        loader: Any = spec.loader if spec is not None else None
        run = loader.exec_module

        def changed(module: ModuleType) -> None:
            run(module)
            _lose_rows(module.Source)  # type: ignore[attr-defined]

        loader.exec_module = changed
        return spec


def _lose_rows(source: Any) -> None:
    read = source.chunks

    def chunks(self: Any, window: Any) -> Iterator[list[Any]]:
        for rows in read(self, window):
            yield [row for row in rows if LOST not in str(row[1])]

    source.chunks = chunks


sys.meta_path.insert(0, _Finder())
