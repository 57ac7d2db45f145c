"""Where a refused batch is cut, and when a dashboard is taken to refuse everything."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.refusal import REFUSES_EVERYTHING_AFTER, believable, cut_out_named, halve, probe, refuses_everything

START = datetime(2020, 2, 1, tzinfo=timezone.utc)


def rows(*requests: int, services: str = "1") -> list[StatusChange]:
    """A row for each; services by position, over and over."""
    return [
        StatusChange(services[i % len(services)], f"R{request}", START, 2, START + timedelta(minutes=i))
        for i, request in enumerate(requests)
    ]


def naming(*positions: int) -> Answer:
    return Answer(Outcome.REFUSED, status=400, error="refused", message="status_id is wrong", named=positions)


@pytest.mark.parametrize(
    ("named", "cuts"),
    [
        ((3,), [3, 4]),
        ((0,), [1]),
        ((9,), [9]),
        ((0, 9), [1, 9]),
        ((3, 4), [3, 4, 5]),
        ((), []),  # it names none
        (tuple(range(10)), []),  # all: that says nothing about any
        ((3, 5000), [3, 4]),  # what is not in the batch does not count
        ((5000,), []),
    ],
)
def test_named_rows_are_cut_out(named: tuple[int, ...], cuts: list[int]) -> None:
    """Each that is named stands alone; the others stay together between them."""
    assert cut_out_named(rows(*range(10)), naming(*named)) == cuts


@pytest.mark.parametrize(
    ("requests", "cut"),
    [
        ((1, 2), 1),
        ((1, 2, 3, 4), 2),
        ((1, 1, 1, 2), 3),  # between two requests, not through one
        ((1, 2, 2, 2, 2, 2), 1),
        ((1, 1, 1, 1), 2),  # one request alone: through it
    ],
)
def test_halving_goes_between_requests(requests: tuple[int, ...], cut: int) -> None:
    """Near the middle, where a request ends."""
    assert halve(rows(*requests)) == [cut]


SIZES = st.lists(st.integers(0, 5), min_size=3, max_size=30).map(sorted)


@given(SIZES, st.sets(st.integers(0, 40)), st.sets(st.sampled_from("123")))
def test_every_cut_lies_inside(requests: list[int], named: set[int], seen: set[str]) -> None:
    """Ascending, each inside the batch: parts are never empty, and always smaller than the whole."""
    changes = rows(*requests, services="123")
    answer = naming(*sorted(named))
    for cuts in (cut_out_named(changes, answer), halve(changes), probe(changes, answer, seen)):
        assert cuts == sorted(set(cuts))
        assert all(0 < cut < len(changes) for cut in cuts)
    assert halve(changes)
    assert probe(changes, answer, seen)


@given(SIZES, st.sets(st.integers(0, 40)))
def test_a_probe_sets_a_single_row_apart(requests: list[int], named: set[int]) -> None:
    """One call tells whether anything passes; and the rest goes on in two parts of about the same size."""
    changes = rows(*requests)
    cuts = probe(changes, naming(*sorted(named)), ())
    parts = [end - start for start, end in zip([0, *cuts], [*cuts, len(changes)], strict=True)]
    assert 1 in parts
    assert max(parts) <= len(changes) * 3 / 4 + 1


def test_a_probe_tells_most() -> None:
    """A row that the answer does not name, of a service that was not refused before."""
    changes = rows(*range(6), services="112233")
    cuts = probe(changes, naming(0, 1, 2), {"1", "2"})
    assert {4, 5} <= set(cuts)
    assert {3, 4} <= set(probe(changes, naming(0, 1, 2, 4, 5), {"1", "2", "3"}))


@pytest.mark.parametrize(
    ("named", "refused_by_name", "is_believed"),
    [(1, 0, True), (16, 4, True), (17, 0, False), (1, REFUSES_EVERYTHING_AFTER, False)],
)
def test_when_names_are_believed(named: int, refused_by_name: int, is_believed: bool) -> None:
    """A list of very many says nothing about rows, and neither does one name after the other without end."""
    assert believable(naming(*range(named)), refused_by_name) is is_believed


def test_what_is_said_of_a_dashboard_that_refuses_everything() -> None:
    """A permanent error, with the services, what to check, and the dashboard's own words."""
    refused = [(row, naming()) for row in rows(1, 2, 3, services="12")]
    answer = refuses_everything(refused)
    assert answer.outcome is Outcome.PERMANENT
    assert answer.status == 400
    assert answer.message == "status_id is wrong"
    assert "service_id 1, 2" in answer.error
    assert "rechazó 3 filas" in answer.error
    assert "refused 3 rows" in answer.error
