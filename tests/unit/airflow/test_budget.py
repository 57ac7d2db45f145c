"""The time of a callback is shared."""

from __future__ import annotations

import pytest
from tablero.airflow.alerts.budget import Budget


def test_a_step_may_take_half_of_what_is_left() -> None:
    """However long each step takes of its half, the next one has a half of the rest."""
    now = 1_000.0
    budget = Budget(50, clock=lambda: now)
    shares = []
    for _ in range(4):
        shares.append(budget.half)
        now += budget.half
    assert shares == [22.5, 11.25, 5.625, 2.8125]
    now += 60
    assert (budget.left, budget.half) == (0.0, 0.0)


@pytest.mark.parametrize(("limit", "used", "left"), [(50, 0, 45), (50, 20, 25), (50, 44, 10), (5, 0, 10)])
def test_what_was_used_before_counts(limit: float, used: float, left: float) -> None:
    """The DAG file was parsed in the same time, and other callbacks called; some time remains in any case."""
    assert Budget(limit, used, clock=lambda: 0.0).left == left
