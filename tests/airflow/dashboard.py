"""The sandbox from the point of view of one test: only its own rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sandbox.dashboard import Row
from sandbox.testing import Handle
from tests.airflow.institution import Change


class Dashboard:
    """The sandbox, limited to rows whose request id begins with ``prefix``."""

    def __init__(self, sandbox: Handle, prefix: str) -> None:
        self.prefix = prefix
        self._sandbox = sandbox
        self._faults: set[int] = set()

    def counts(self) -> Counter[Row]:
        """How many times each row was accepted."""
        return Counter({row: count for row, count in self._sandbox.counts().items() if row[1].startswith(self.prefix)})

    def add_fault(self, beginning: str = "", **fields: object) -> int:
        """Add a fault for calls with rows whose request id begins with the prefix and ``beginning``."""
        number = self._sandbox.add_fault(match={"request_id": f"^{self.prefix}{beginning}"}, **fields)
        self._faults.add(number)
        return number

    def remove_fault(self, number: int) -> None:
        """Disarm one of them."""
        self._faults.remove(number)
        self._sandbox.remove_fault(number)

    def heal(self) -> None:
        """Disarm them all."""
        while self._faults:
            self._sandbox.remove_fault(self._faults.pop())


def once(*groups: Iterable[Change]) -> Counter[Row]:
    """What the dashboard has if each of these rows was accepted exactly once."""
    return Counter({change.wire: 1 for group in groups for change in group})
