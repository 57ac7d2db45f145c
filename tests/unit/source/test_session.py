"""What a connection sets for its session is what the session gets, or the connection is refused."""

from __future__ import annotations

import pytest
from tablero.errors import SetupError
from tablero.source.dialects.session import require_agreement

from tests.integration.samples import ZONE


@pytest.mark.parametrize(
    "sets",
    [
        "-c TimeZone=UTC",
        "--time_zone=UTC",
        "-ctimezone='UTC'",
        "SET time_zone = '+00:00'",
        "SET @@session.time_zone := '+00:00'",
        "SET sql_mode='', time_zone=SYSTEM",
        "SET NAMES latin1",
        "set character set 'latin1'",
        "SET character_set_results=latin1",
        "-c client_encoding=LATIN1",
    ],
)
def test_what_is_overruled(sets: str) -> None:
    """Another zone or encoding is refused, however it is written."""
    with pytest.raises(SetupError, match="tablero_source"):
        require_agreement(sets, "options", ZONE)


@pytest.mark.parametrize(
    "sets",
    [
        "",
        "-c search_path=citas -c statement_timeout=5min",
        "-c timezone=america/santo_domingo",
        "SET time_zone = 'America/Santo_Domingo', NAMES utf8mb4",
        "SET NAMES utf8mb4",
        "SET max_statement_time = 60",
    ],
)
def test_what_is_done(sets: str) -> None:
    """What the session has anyway, and all else, is accepted."""
    require_agreement(sets, "options", ZONE)
