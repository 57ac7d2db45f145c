"""What is secret of a header; that nothing of it is kept or shown is proven in tests/hostile/test_secrets.py."""

from __future__ import annotations

import pytest
from tablero.dashboard.redaction import header_secrets


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("Bearer 12345678", {"12345678"}),
        ("Bearer 1234567", set()),  # too short to be cut out of whatever it stands in
        ("lang=es; session=0123456789", {"0123456789"}),
        ('Token token="0123456789", realm=x', {"0123456789"}),
        ("Basic dXNlcjpwYXNzd29yZA==", {"dXNlcjpwYXNzd29yZA"}),
    ],
)
def test_a_header_and_its_parts(value: str, parts: set[str]) -> None:
    """A server may repeat the whole value, or only what follows the scheme or the name."""
    assert header_secrets(value) == {value, *parts}
