"""Reasons for not sending a row: stable codes, and sentences in both languages."""

from __future__ import annotations

from tablero.contract.reasons import Reason
from tablero.contract.status_change import MAX_ID_LENGTH


def test_every_reason_is_said_in_both_languages() -> None:
    """Each reason says what is wrong and what to do, and no two reasons say the same."""
    sentences = [sentence for one in Reason for text in (one.text, one.fix) for sentence in text]
    assert all(sentence.endswith(".") and len(sentence) > 10 for sentence in sentences)
    wrong = [sentence for one in Reason for sentence in one.text]
    assert len(set(wrong)) == 2 * len(Reason)


def test_the_length_of_an_id_is_the_limit() -> None:
    """The limit of an id is stated correctly in both languages."""
    assert all(str(MAX_ID_LENGTH) in sentence for sentence in Reason.TOO_LONG.text)


def test_the_codes_stay() -> None:
    """The codes never change: outboxes store them, and people filter by them."""
    assert [one.value for one in Reason] == [
        *("missing_service_id", "missing_request_id", "id_not_text", "too_long", "control_characters", "unknown_status"),
        *("opening_not_a_date", "change_missing", "change_no_such_date", "change_in_another_form", "change_is_a_number"),
        *("change_is_binary", "change_out_of_range", "change_before_earliest", "change_not_a_date", "no_such_local_time"),
        *("opening_after_change", "in_the_future", "refused_by_dashboard"),
    ]
    assert all(Reason(one.value) is one for one in Reason)
