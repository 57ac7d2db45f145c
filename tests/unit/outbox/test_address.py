"""The address of an outbox, as it is shown in errors, by the check and on a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tablero.outbox.engine import address_of, connect

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql://u:pw@db:5433/d?sslmode=verify-full&sslpassword=KEY&passfile=/p&options=-c%20x",
            "postgresql+psycopg://u@db:5433/d",
        ),
        ("postgresql://u:pw@/d?host=/run/postgresql", "postgresql+psycopg://u@/run/postgresql/d"),
        ("sqlite:////srv/casa de ñandú/outbox.db", "/srv/casa de ñandú/outbox.db"),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    """User, server and database; no password, and none of the parameters, whatever they are called."""
    engine = connect(url)
    assert address_of(engine) == shown
    engine.dispose()


def test_no_address_is_shown_in_another_way() -> None:
    """SQLAlchemy hides the password alone, so nothing shows an address by its means."""
    means = re.compile(r"render_as_string|hide_password|repr\(\w*\.?url\)|str\(\w*\.url\)")
    found = {path.name for path in PLUGINS.rglob("*.py") if means.search(path.read_text())}
    assert found == {"engine.py"}
