"""The rules of the contract for one row of the source: valid, excluded, or rejected with a reason.

Source of every rule: the publisher's guide (Burocracia Cero, "Tablero de Monitoreo - APIs Externos", v1.3.1), its sections on
payload and statuses. Rules that the guide leaves open are marked *ours*. :mod:`tablero.contract.chunks` applies the same rules
to many rows at a time and accepts exactly the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from tablero.contract.instants import InstantReader, has_iso_form, was_skipped
from tablero.contract.reasons import Reason
from tablero.contract.status_change import MAX_ID_LENGTH, StatusChange
from tablero.contract.statuses import known_statuses

#: A row of the source: five values of whatever types the driver returns, in the order of the contract.
Row = tuple[Any, ...]


class Rejected(NamedTuple):
    """A row that violates the contract, and the first rule that it violates."""

    reason: Reason
    row: Row


class Excluded(NamedTuple):
    """A valid row that the dashboard does not ask for: its request was opened before ``earliest``."""

    row: Row


Verdict = StatusChange | Rejected | Excluded


class Broken(Exception):
    """A value violates a rule.

    :ivar reason: the rule.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def validator(
    *, zone: tzinfo, earliest: datetime, now: datetime, extra_statuses: Collection[int] = ()
) -> Callable[[Row], Verdict]:
    """Build the function that turns a row of the source into a status change, or gives the reason why not.

    :param zone: time zone of naive timestamps (``source_timezone``).
    :param earliest: the dashboard takes requests opened from this instant on (``earliest`` in the institution's time zone).
    :param now: later instants are in the future.
    :param extra_statuses: status ids that the dashboard knows in addition to those of the guide.
    :returns: a function of a row. Blanks around ids and dates are stripped (padded CHAR columns). An excluded row is not
        examined further, since it is not sent in any case.
    """
    read = InstantReader(zone)
    statuses = known_statuses(extra_statuses)

    def existing(moment: datetime) -> datetime:
        if was_skipped(moment):
            raise Broken(Reason.NO_SUCH_LOCAL_TIME)
        return moment

    def validate(row: Row) -> Verdict:
        service_id, request_id, opening_date, status_id, last_modified_date = row
        try:
            opened = read(opening_date)
            if opened is None:
                raise Broken(Reason.OPENING_NOT_A_DATE)
            if existing(opened) < earliest:
                return Excluded(row)
            service = identifier(service_id, Reason.MISSING_SERVICE_ID)
            request = identifier(request_id, Reason.MISSING_REQUEST_ID)
            status = status_of(status_id, statuses)
            changed = read(last_modified_date)
            if changed is None:
                raise Broken(_why_no_date(last_modified_date))
            if existing(changed) > now:
                raise Broken(Reason.IN_THE_FUTURE)
            if opened > changed:
                raise Broken(_why_opened_later(opened, changed, earliest, now))
        except Broken as broken:
            return Rejected(broken.reason, row)
        return StatusChange(service, request, opened, status, changed)

    return validate


#: C0, DEL and C1 controls, lone surrogates, which UTF-8 cannot encode, and what shows other characters in another order.
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def identifier(value: object, missing: Reason) -> str:
    """An id in the form in which it is sent: text without surrounding blanks, an integer of any type, or a UUID.

    :param missing: the reason if there is none.
    :raises Broken: if it cannot be sent.
    """
    if isinstance(value, str):
        text = value.strip()
    elif value is None:
        raise Broken(missing)
    elif isinstance(value, bool):
        raise Broken(Reason.ID_NOT_TEXT)
    elif isinstance(value, UUID):
        text = str(value)
    elif isinstance(value, (int, Decimal)):
        text = _whole_number(value)
    else:
        raise Broken(Reason.ID_NOT_TEXT)
    if not text:
        raise Broken(missing)
    if len(text) > MAX_ID_LENGTH:
        raise Broken(Reason.TOO_LONG)
    if not text.isprintable():
        if _UNSENDABLE.search(text):
            raise Broken(Reason.CONTROL_CHARACTERS)
        if not any(map(str.isprintable, text)):
            raise Broken(missing)  # nothing of it can be seen
    return text


def _whole_number(value: int | Decimal) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        raise Broken(Reason.ID_NOT_TEXT)
    # Checked before conversion: Decimal("1e999999") would be a megabyte of zeros.
    if value.adjusted() >= MAX_ID_LENGTH if isinstance(value, Decimal) else abs(value) >= 10**MAX_ID_LENGTH:
        raise Broken(Reason.TOO_LONG)
    if value != int(value):
        raise Broken(Reason.ID_NOT_TEXT)
    return str(int(value))


#: Digits of a status in text, leading zeros included.
_MOST_DIGITS = 20


def status_of(value: object, known: Collection[int]) -> int:
    """A status in the form in which it is sent, from an integral number of any type, or digits in text.

    :raises Broken: if it is not one of ``known``.
    """
    if isinstance(value, str):
        digits = value.strip()
        value = int(digits) if len(digits) < _MOST_DIGITS and digits.isascii() and digits.isdigit() else None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        # NaN and infinities are in no set; 2.0 equals 2.
        try:
            if value in known:
                return int(value)
        except TypeError:  # a signalling NaN has no hash
            pass
    raise Broken(Reason.UNKNOWN_STATUS)


#: Dates in other formats: 15/01/2024, 15-ene-2024, 2024/01/15, 20240115, with or without a time.
_ANOTHER_FORM = re.compile(
    r"(?!\d{4}-\d\d-\d\d)(\d{1,4}[/.\- ](\d{1,2}|[a-z]{3,10}\.?)[/.\- ]\d{1,4}|\d{8})(\D.*)?",
    re.DOTALL | re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
#: How drivers return an instant that Python cannot represent: PostgreSQL's text, or that of ``source.dialects.postgres``.
_OUT_OF_RANGE = re.compile(r"[+-]?inf(inity)?|year [<>] \d+|\d{5,}-\d\d-\d\d.*|\d{4,}-\d\d-\d\d.* BC", re.IGNORECASE)


def _why_no_date(value: object) -> Reason:
    """Why a ``last_modified_date`` is not an instant."""
    if value is None:
        return Reason.CHANGE_MISSING
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Reason.CHANGE_IS_BINARY
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return Reason.CHANGE_IS_A_NUMBER
    if isinstance(value, date):  # so close to year 1 or 9999 that it has no equivalent in UTC
        return Reason.CHANGE_OUT_OF_RANGE
    return _why_no_date_in(value.strip()) if isinstance(value, str) else Reason.CHANGE_NOT_A_DATE


def _why_no_date_in(text: str) -> Reason:
    if not text:
        return Reason.CHANGE_MISSING
    if has_iso_form(text):
        return Reason.CHANGE_NO_SUCH_DATE
    if _OUT_OF_RANGE.fullmatch(text):
        return Reason.CHANGE_OUT_OF_RANGE
    if _ANOTHER_FORM.fullmatch(text):
        return Reason.CHANGE_IN_ANOTHER_FORM
    if _NUMBER.fullmatch(text):
        return Reason.CHANGE_IS_A_NUMBER
    return Reason.CHANGE_NOT_A_DATE


def _why_opened_later(opened: datetime, changed: datetime, earliest: datetime, now: datetime) -> Reason:
    """The reason for a request that was opened after it changed: the less plausible of the two dates."""
    if opened > now:
        return Reason.IN_THE_FUTURE
    return Reason.CHANGE_BEFORE_EARLIEST if changed < earliest else Reason.OPENING_AFTER_CHANGE
