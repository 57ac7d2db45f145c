"""Which parts of a header are secret; tests/hostile/test_secrets.py proves that none is kept or shown."""

from __future__ import annotations

import pytest
from tablero.dashboard.redaction import header_secrets


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("Bearer 12345678", {"12345678"}),
        ("Bearer 1234567", set()),  # too short to be cut out of arbitrary text
        ("lang=es; session=0123456789", {"0123456789"}),
        ('Token token="0123456789", realm=x', {"0123456789"}),
        ("Basic dXNlcjpwYXNzd29yZA==", {"dXNlcjpwYXNzd29yZA"}),
    ],
)
def test_a_header_and_its_parts(value: str, parts: set[str]) -> None:
    """A secret is the whole value, and also what follows the scheme or the name, since a server may repeat either."""
    assert header_secrets(value) == {value, *parts}
