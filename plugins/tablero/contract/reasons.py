"""Why a row is not sent: a code that is stored, and the explanation for an operator."""

from __future__ import annotations

from enum import Enum

from tablero.texts import contract as texts
from tablero.texts.text import Text


class Reason(Enum):
    """A rule that a row violates. The value is a code that is stored in outboxes and used in filters: it must not change."""

    MISSING_SERVICE_ID = "missing_service_id"
    MISSING_REQUEST_ID = "missing_request_id"
    ID_NOT_TEXT = "id_not_text"
    TOO_LONG = "too_long"
    CONTROL_CHARACTERS = "control_characters"
    UNKNOWN_STATUS = "unknown_status"
    OPENING_NOT_A_DATE = "opening_not_a_date"
    CHANGE_MISSING = "change_missing"
    CHANGE_NO_SUCH_DATE = "change_no_such_date"
    CHANGE_IN_ANOTHER_FORM = "change_in_another_form"
    CHANGE_IS_A_NUMBER = "change_is_a_number"
    CHANGE_IS_BINARY = "change_is_binary"
    CHANGE_OUT_OF_RANGE = "change_out_of_range"
    CHANGE_BEFORE_EARLIEST = "change_before_earliest"
    CHANGE_NOT_A_DATE = "change_not_a_date"
    NO_SUCH_LOCAL_TIME = "no_such_local_time"
    OPENING_AFTER_CHANGE = "opening_after_change"
    IN_THE_FUTURE = "in_the_future"
    REFUSED_BY_DASHBOARD = "refused_by_dashboard"

    @property
    def text(self) -> Text:
        """What is wrong."""
        return _TEXTS[self][0]

    @property
    def fix(self) -> Text:
        """What to do about it."""
        return _TEXTS[self][1]


_TEXTS: dict[Reason, tuple[Text, Text]] = {
    Reason.MISSING_SERVICE_ID: (texts.MISSING_SERVICE_ID, texts.MISSING_SERVICE_ID_FIX),
    Reason.MISSING_REQUEST_ID: (texts.MISSING_REQUEST_ID, texts.MISSING_REQUEST_ID_FIX),
    Reason.ID_NOT_TEXT: (texts.ID_NOT_TEXT, texts.ID_NOT_TEXT_FIX),
    Reason.TOO_LONG: (texts.TOO_LONG, texts.TOO_LONG_FIX),
    Reason.CONTROL_CHARACTERS: (texts.CONTROL_CHARACTERS, texts.CONTROL_CHARACTERS_FIX),
    Reason.UNKNOWN_STATUS: (texts.UNKNOWN_STATUS, texts.UNKNOWN_STATUS_FIX),
    Reason.OPENING_NOT_A_DATE: (texts.OPENING_NOT_A_DATE, texts.OPENING_NOT_A_DATE_FIX),
    Reason.CHANGE_MISSING: (texts.CHANGE_MISSING, texts.CHANGE_MISSING_FIX),
    Reason.CHANGE_NO_SUCH_DATE: (texts.CHANGE_NO_SUCH_DATE, texts.CHANGE_NO_SUCH_DATE_FIX),
    Reason.CHANGE_IN_ANOTHER_FORM: (texts.CHANGE_IN_ANOTHER_FORM, texts.CHANGE_IN_ANOTHER_FORM_FIX),
    Reason.CHANGE_IS_A_NUMBER: (texts.CHANGE_IS_A_NUMBER, texts.CHANGE_IS_A_NUMBER_FIX),
    Reason.CHANGE_IS_BINARY: (texts.CHANGE_IS_BINARY, texts.CHANGE_IS_BINARY_FIX),
    Reason.CHANGE_OUT_OF_RANGE: (texts.CHANGE_OUT_OF_RANGE, texts.CHANGE_OUT_OF_RANGE_FIX),
    Reason.CHANGE_BEFORE_EARLIEST: (texts.CHANGE_BEFORE_EARLIEST, texts.CHANGE_BEFORE_EARLIEST_FIX),
    Reason.CHANGE_NOT_A_DATE: (texts.CHANGE_NOT_A_DATE, texts.CHANGE_NOT_A_DATE_FIX),
    Reason.NO_SUCH_LOCAL_TIME: (texts.NO_SUCH_LOCAL_TIME, texts.NO_SUCH_LOCAL_TIME_FIX),
    Reason.OPENING_AFTER_CHANGE: (texts.OPENING_AFTER_CHANGE, texts.OPENING_AFTER_CHANGE_FIX),
    Reason.IN_THE_FUTURE: (texts.IN_THE_FUTURE, texts.IN_THE_FUTURE_FIX),
    Reason.REFUSED_BY_DASHBOARD: (texts.REFUSED_BY_DASHBOARD, texts.REFUSED_BY_DASHBOARD_FIX),
}
