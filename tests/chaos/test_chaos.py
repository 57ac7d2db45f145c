"""A small fault run; ``python -m tests.chaos.run`` does the same for any duration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import chaos

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("outbox", ["sqlite", "postgresql"])
def test_every_rule_holds_whatever_happens(outbox: str, tmp_path: Path) -> None:
    """Every rule holds in ten rounds of faults, deaths and source changes; a violation says how to replay it."""
    totals = chaos(rounds=10, seed=20, outbox=outbox, say=print, keep=tmp_path)
    assert totals.rounds == 10
    assert totals.rows["delivered"] > 50
    assert totals.rows.keys() <= {"delivered", "refused", "withdrawn"}
    assert {fault for fault, _ in totals.outcomes} - {"-"}, "no fault fired; the run proved nothing"
