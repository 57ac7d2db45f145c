"""Each value of ``last_modified_date`` falls into one group, and a group says of text only what its bounds prove."""

from __future__ import annotations

from bisect import bisect, bisect_right
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.windows import NO_DATE, OLDEST_DATE, first_instant
from tablero.source.placing import Places
from tablero.source.steps import PERHAPS_NO_DATE, between, between_texts

from tests.integration.samples import NOW, ZONE

DAY = timedelta(days=1)
PLACES = Places(ZONE, ZONE)

#: Ends of months, or of one whole period, as the counts have them.
EDGES = st.sampled_from(
    [
        [
            first_instant(date(year, month, 1), ZONE)
            for year, month in ((2023, 11), (2023, 12), (2024, 1), (2024, 2), (2024, 3))
        ],
        [first_instant(date(2020, 1, 1), ZONE), NOW],
        [first_instant(date(2024, 2, 28) + number * DAY, ZONE) for number in range(4)],
        [NOW, first_instant(date(9990, 1, 1), ZONE)],
        [],
    ]
)

#: Text that is a date, that begins like one, or neither.
TEXTS = st.one_of(
    st.builds(
        "{:04}-{:02}-{:02}{}".format,
        st.sampled_from([2019, 2023, 2024, 2031]),
        st.integers(0, 13),
        st.integers(0, 33),
        st.sampled_from(["", " 23:59:59", "T00:00:00+23:59", " 00:00-23:59", " 25:00", "x"]),
    ),
    st.text("0123456789- :/", max_size=12),
    st.text(max_size=5),
)


def span(edge: object) -> tuple[str, str]:
    return str((edge - DAY).date()), str((edge + DAY).date() + DAY)  # type: ignore[operator]


@given(EDGES, TEXTS)
def test_text_lies_where_its_group_says(edges: list[object], text: str) -> None:
    """Text of a group that need not be looked at lies between those edges; other text is looked at."""
    steps = between_texts([span(edge) for edge in edges])
    assert steps.bounds == sorted(steps.bounds)
    assert len(steps.groups) == len(steps.bounds) + 1
    position = bisect_right([bound.encode() for bound in steps.bounds], text.encode())
    group, place = steps.groups[position], PLACES(text)
    if group >= 0 and position not in steps.mixed:
        assert place != NO_DATE
    if group >= 0 and place != NO_DATE and text[:1].isdigit() and place > OLDEST_DATE:
        assert bisect(edges, place) == group
    if group == PERHAPS_NO_DATE:
        assert place == NO_DATE


def test_an_edge_that_is_exact_has_no_group_of_its_own() -> None:
    """Values are below an edge or not; those near one that is not exact are a group of their own."""
    assert between([(1, 1), (5, 5)]) == ([1, 5], [0, 1, 2], {0, 1, 2})
    assert between([(1, 2), (2, 4)]) == ([1, 2, 4], [0, -2, -3, 2], {0, 1, 2, 3})
