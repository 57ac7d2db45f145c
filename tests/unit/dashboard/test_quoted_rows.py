"""Values of rows that the dashboard quotes are hidden from all but the outbox, wherever they stand in its message."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import MAX_KEPT, Answer, Outcome, clean
from tablero.dashboard.quoted_rows import hide_rows, without_values

OPENED = datetime(2025, 6, 12, 8, tzinfo=timezone.utc)
CHANGED = datetime(2025, 6, 13, 2, 15, tzinfo=timezone.utc)


def row(request_id: str, service_id: str = "7") -> StatusChange:
    return StatusChange(service_id, request_id, OPENED, 2, CHANGED)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        # ids of any length, also at the end of a sentence or of a path
        ("La solicitud 12345.", "La solicitud ***."),
        ('12345: no existe, (12345), "12345"', '***: no existe, (***), "***"'),
        ("-12345- and /12345/", "-***- and /***/"),
        ("REQ-00001 is wrong; xREQ-00001x too", "*** is wrong; x***x too"),
        ("El servicio 7 no existe.", "El servicio *** no existe."),
        ("Servicio 7.", "Servicio ***."),
        ("requests.7.status_id must be an integer", "requests.7.status_id must be an integer"),  # a position
        ("1234567 and 77 belong to nobody", "1234567 and 77 belong to nobody"),
        # dates, as sent, as JavaScript and databases write them, in another zone, and alone
        ("last_modified_date 2025-06-13T02:15:00Z is wrong", "last_modified_date *** is wrong"),
        ("2025-06-13T02:15:00.000Z, 2025-06-13 02:15:00+00:00, 2025-06-12T22:15:00-04:00", "***, ***, ***"),
        ("2025-06-12 is a holiday", "*** is a holiday"),
        ("opening_date must not be before 2020-01-01", "opening_date must not be before 2020-01-01"),
        ("13/06/2025 02:15 a.m., 6/13/2025, 13.06.2025 02:15:00 not valid", "***, ***, *** not valid"),
        ("requests.7.status_id: 1/1000 rows, v1.2.2025", "requests.7.status_id: 1/1000 rows, v1.2.2025"),
        # in other capitals, and cut short
        ("req-00001 does not exist", "*** does not exist"),
        ("REQ-0000.. does not exist; 'Req-0000…', REQ-0000", "***.. does not exist; '***…', ***"),
        ("RECEIPT-ABOUT-CHILDREN, receipt, receip...", "RECEIPT-ABOUT-CHILDREN, receipt, ***..."),
        ("REQ-0 is no request", "REQ-0 is no request"),  # too short to identify one
    ],
)
def test_values_of_the_rows_are_hidden(message: str, shown: str) -> None:
    """Ids and dates of the rows that were posted are hidden; what helps an operator is left."""
    assert hide_rows(message, [row("12345"), row("REQ-00001"), row("receipt-of-payment")]) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Licencias vencidas: la licencia no existe", "Licencias vencidas: la *** no existe"),
        ('{"LICENCIA"} service_licencia /licencia/1', '{"***"} service_*** /***/1'),
    ],
)
def test_an_id_that_is_a_word_is_hidden_as_a_word(message: str, shown: str) -> None:
    """A service whose id is an ordinary word leaves the longer words of a message readable."""
    assert hide_rows(message, [row("REQ-00001", "licencia")]) == shown


@pytest.mark.parametrize("kept", range(1, 9))
def test_a_value_that_was_cut_is_hidden(kept: int) -> None:
    """A message that is truncated within a value shows no part of it."""
    message = clean("x" * (MAX_KEPT - 2 - kept) + " REQ-00001 is wrong")
    assert message.endswith(" " + "REQ-00001"[:kept] + "…")
    assert hide_rows(message, [row("REQ-00001")]).endswith(" ***…")


def test_a_date_that_was_cut_is_hidden() -> None:
    """A date is hidden wherever a message is truncated within it."""
    for kept in range(1, 20):
        message = clean("x" * (MAX_KEPT - 2 - kept) + " 2025-06-13T02:15:00Z is wrong")
        assert not set("0123456789") & set(hide_rows(message, [row("R")]))


ids = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=40).map(clean).filter(bool)


@given(st.lists(ids.filter(lambda text: len(text) >= 6 and "*" not in text), min_size=1), st.text(max_size=50))
def test_no_long_value_remains(values: list[str], words: str) -> None:
    """No id of six characters or more remains, whatever stands around it."""
    hidden = hide_rows(clean(words + words.join(values)), [row(value, service_id=value) for value in values])
    assert not any(value in hidden for value in values)


def test_an_acknowledgement_is_shown_without_its_message() -> None:
    """A service may list what it saved; nobody needs its words."""
    assert without_values(Answer(Outcome.DELIVERED, message="saved 12345"), [row("12345")]).message == ""
