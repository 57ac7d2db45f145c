"""How a source may write an id that is sent without the blanks around it."""

from __future__ import annotations

import pytest
from tablero.contract.reasons import Reason
from tablero.contract.rules import identifier
from tablero.contract.status_change import spellings


def test_each_spelling_is_sent_as_the_same_id() -> None:
    """Blanks beside an id are no part of it, and it is itself the first of its spellings."""
    found = spellings("REQ 77")
    assert found[0] == "REQ 77"
    assert len(found) == len(set(found))
    assert {identifier(one, Reason.MISSING_REQUEST_ID) for one in found} == {"REQ 77"}


@pytest.mark.parametrize("written", ["REQ-77 ", " REQ-77", "REQ-77" + " " * 58, "REQ-77\r\n", "\tREQ-77", "\u00a0REQ-77"])
def test_the_usual_blanks(written: str) -> None:
    """Padding up to 64 characters, and what files leave at the ends of lines and cells."""
    assert written in spellings("REQ-77")
