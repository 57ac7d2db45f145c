"""What must hold between two rounds, whatever happened: the outbox compared with the dashboard's memory and the source.

The dashboard's memory and the outbox know of each other only through the message id of an attempt, which is on record
before the call is made.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.reasons import Reason
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, local_day
from tablero.outbox.batches import COLUMNS, rows_of
from tablero.outbox.queue.attempts import LATE
from tablero.outbox.schema import attempt, rejection

from sandbox.dashboard import Row
from sandbox.memory import read_calls, read_entries
from tests.chaos.institution import EXCLUDED, Institution
from tests.integration.samples import ZONE, check_books

#: Outcomes after which the dashboard may hold the rows; ``None`` is an attempt whose worker died.
_LEAVES_IT_OPEN = ("unknown", None)

#: States of rows that the dashboard did not accept; the source no longer has the withdrawn ones.
_REFUSED = ("refused", "withdrawn")

_SHOWN = 5

_NEVER = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Staged:
    """A row of the outbox, and its position."""

    batch_id: int
    state: str
    words: str | None
    extraction_id: int
    change: StatusChange


class Evidence:
    """The contents of outbox and dashboard, read once."""

    def __init__(self, outbox: Engine, memory: Path) -> None:
        with outbox.connect() as connection:
            self.batches = {row.id: row for row in connection.execute(sa.select(*COLUMNS))}
            self.attempts = list(connection.execute(sa.select(attempt).order_by(attempt.c.id)))
            self.rejections = list(connection.execute(sa.select(rejection).where(~rejection.c.resolved)))
            rows = rows_of(connection, [row.id for row in self.batches.values() if row.state != "split"])
        self.staged = {
            _wire(change): self._staged(batch_id, change) for batch_id, changes in rows.items() for change in changes
        }
        self.calls = {call["call_id"]: call for call in read_calls(memory)}
        self.entries = read_entries(memory)

    def _staged(self, batch_id: int, change: StatusChange) -> Staged:
        home = self.batches[batch_id]
        return Staged(batch_id, home.state, home.words, home.extraction_id, change)

    @cached_property
    def by_message(self) -> dict[str, Any]:
        """Attempts by their id on the wire."""
        return {found.message_id: found for found in self.attempts}

    @cached_property
    def accepted(self) -> dict[int, list[Row]]:
        """The rows of each call that the dashboard accepted, in order."""
        accepted: dict[int, list[Row]] = defaultdict(list)
        for entry in self.entries:
            accepted[entry["call_id"]].append(tuple(entry[name] for name in _FIELDS))
        return accepted

    @cached_property
    def holders(self) -> dict[Row, list[int]]:
        """The calls that delivered each row, in the order in which the dashboard accepted them."""
        holders: dict[Row, list[int]] = defaultdict(list)
        for entry in self.entries:
            holders[tuple(entry[name] for name in _FIELDS)].append(entry["call_id"])
        return holders

    @cached_property
    def acceptances(self) -> list[tuple[datetime, datetime]]:
        """The calls that the dashboard accepted, by its own answers: when each was begun, and when its answer was on record."""
        began = {found.batch_id: found.started_at for found in self.attempts if found.outcome == "delivered"}
        rows = [row for row in self.batches.values() if row.state == "delivered" and row.settled_how == "acknowledged"]
        return [(began[posted], row.settled_at) for row in rows for posted in (row.id, row.parent_id) if posted in began]

    def lineage(self, batch_id: int) -> Iterator[int]:
        """The batch, the one that it was split off, and so on: all that ever contained its rows."""
        current: int | None = batch_id
        while current is not None:
            yield current
            current = self.batches[current].parent_id

    def outcome(self, call_id: int) -> str | None:
        """The recorded outcome of a call."""
        found = self.by_message.get(self.calls[call_id]["x_road_id"])
        return found.outcome if found is not None else "nowhere"

    def explanations(self) -> Iterator[str]:
        """For each repeat of a row: the faults that affected an earlier call with an open outcome."""
        for calls in self.holders.values():
            left_open = [call_id for call_id in calls if self.outcome(call_id) in _LEAVES_IT_OPEN]
            yield from (self.calls[call_id]["fault"] or "-" for call_id in left_open[: len(calls) - 1])

    def states(self) -> Counter[str]:
        """Rows by state."""
        return Counter(row.state for row in self.staged.values())


def standing(evidence: Evidence, outbox: Engine, institution: Institution) -> Iterator[str]:
    """Violations of what must hold at any time."""
    yield from _books(outbox)
    yield from _named_states(evidence, institution)
    yield from _calls_are_on_record(evidence)
    yield from _repeats_are_explained(evidence)
    yield from _nothing_after_an_acknowledgement(evidence)
    yield from _states_are_true(evidence)
    yield from _order_within_requests(evidence)
    yield from order_across_readings(arrivals_of(evidence))


def window(evidence: Evidence, institution: Institution, read: Window) -> Iterator[str]:
    """Violations for a window that was staged and whose source has not changed since."""
    rows = institution.inside(read.start, read.end)
    missing = {row.wire for row in rows if row.fate == "valid"} - evidence.staged.keys()
    yield from _complain(f"{read.label}: valid rows of the source are not in the outbox", missing)
    wanted = Counter({(row.fate, _texts(row.values)): 1 for row in rows if row.fate not in ("valid", EXCLUDED)})
    if read.kind == "undated":
        wanted += Counter({(Reason.CHANGE_MISSING.value, _texts(row.values)): 1 for row in institution.undated()})
    found = Counter(
        (row.reason, tuple(getattr(row, name) for name in _FIELDS)) for row in evidence.rejections if row.changed_at in read
    )
    yield from _complain(f"{read.label}: bad rows are not set aside as such", wanted - found)
    yield from _complain(f"{read.label}: rows are set aside that are not in the source", found - wanted)


def settled(evidence: Evidence, institution: Institution) -> Iterator[str]:
    """Violations at the end, after everything was run once more without faults."""
    yield from _complain("rows are still pending", (row for row, at in evidence.staged.items() if at.state == "pending"))
    current = {row.wire for row in institution.rows.values() if row.fate == "valid"}
    yield from _complain("valid rows were never staged", current - evidence.staged.keys())
    refused = {row for row, at in evidence.staged.items() if at.state == "refused"}
    yield from _complain("refused rows are no longer in the source", refused - current)
    withdrawn = {row for row, at in evidence.staged.items() if at.state == "withdrawn"}
    yield from _complain("withdrawn rows are in the source", withdrawn & current)
    delivered = {row for row, at in evidence.staged.items() if at.state == "delivered"}
    yield from _complain("delivered rows are not at the dashboard", delivered - evidence.holders.keys())
    open_attempts = [found.id for found in evidence.attempts if found.outcome is None]
    yield from _complain("attempts have no outcome", open_attempts)


def _books(outbox: Engine) -> Iterator[str]:
    try:
        check_books(outbox)
    except AssertionError as error:
        yield f"the books are wrong: {error}"


def _named_states(evidence: Evidence, institution: Institution) -> Iterator[str]:
    yield from _complain("rows are staged that were never valid", evidence.staged.keys() - institution.ever_valid)
    named = ("pending", "delivered", *_REFUSED)
    odd = {row: at.state for row, at in evidence.staged.items() if at.state not in named}
    yield from _complain("rows are in no state", odd.items())
    silent = [row for row, at in evidence.staged.items() if at.state == "refused" and not at.words]
    yield from _complain("refused rows lack the dashboard's words", silent)


def _calls_are_on_record(evidence: Evidence) -> Iterator[str]:
    """Rows are staged before they are sent, and attempts recorded before they are posted."""
    strangers = [call for call in evidence.calls.values() if call["x_road_id"] not in evidence.by_message]
    yield from _complain("calls are on no record", strangers)
    for call in evidence.calls.values():
        if call["violations"] and call["violations"] != ["upload_cut_off"]:
            yield f"call {call['call_id']} breaks the contract: {call['violations']}"
    contents: dict[int, set[Row]] = defaultdict(set)
    for row, at in evidence.staged.items():
        for identity in evidence.lineage(at.batch_id):
            contents[identity].add(row)
    for call_id, rows in evidence.accepted.items():
        found = evidence.by_message.get(evidence.calls[call_id]["x_road_id"])
        if found is not None and (set(rows) != contents[found.batch_id] or len(set(rows)) != len(rows)):
            yield f"call {call_id} did not carry the rows of batch {found.batch_id}"


def _repeats_are_explained(evidence: Evidence) -> Iterator[str]:
    """Of the calls that delivered a row, one may be acknowledged; the others must be recorded as unknown."""
    for row, call_ids in evidence.holders.items():
        outcomes = [evidence.outcome(call_id) for call_id in call_ids]
        open_ones = sum(outcome in _LEAVES_IT_OPEN for outcome in outcomes)
        if len(outcomes) - open_ones > 1 or any(outcome not in (*_LEAVES_IT_OPEN, "delivered") for outcome in outcomes):
            yield f"{row} is at the dashboard by calls recorded as {outcomes}"


def _nothing_after_an_acknowledgement(evidence: Evidence) -> Iterator[str]:
    """After an attempt is recorded as delivered, no later one contains any of its rows."""
    acknowledged: dict[int, int] = {}
    for found in evidence.attempts:
        if found.outcome == "delivered":
            if found.batch_id in acknowledged:
                yield f"batch {found.batch_id} was acknowledged twice"
            acknowledged.setdefault(found.batch_id, found.id)
    for found in evidence.attempts:
        for identity in evidence.lineage(found.batch_id):
            if acknowledged.get(identity, found.id) < found.id:
                by = acknowledged[identity]
                yield f"attempt {found.id} posted batch {found.batch_id} again, after attempt {by} was acknowledged"


def _states_are_true(evidence: Evidence) -> Iterator[str]:
    """Delivered means acknowledged; refused means that the last answer was a refusal of this single row, or a failure on it."""
    attempts: dict[int, list[Any]] = defaultdict(list)
    delivered = set()
    for found in evidence.attempts:
        attempts[found.batch_id].append(found)
        if found.outcome == "delivered" or (found.error or "").startswith(f"{LATE}delivered"):
            delivered.add(found.batch_id)
    for identity, row in evidence.batches.items():
        if (row.state == "delivered") != (identity in delivered):
            yield f"batch {identity} is {row.state}, and {'an' if identity in delivered else 'no'} attempt was acknowledged"
        ended = attempts[identity][-1].outcome if attempts[identity] else "none"
        if row.state == "refused" and not _is_proved_bad(evidence, row, attempts[identity]):
            outcomes = [found.outcome for found in attempts[identity]]
            yield f"batch {identity} of {row.rows} rows is refused, its attempts are {outcomes}, and that proves nothing"
        if row.state == "refused" and ended == "refused" and not _is_told_or_confirmed(evidence, row, attempts[identity]):
            yield f"batch {identity} is refused, though the dashboard may have begun to refuse everything, and that is not told"
        if row.state == "withdrawn" and row.ever_unknown and ended not in ("refused", "unknown"):
            yield f"batch {identity} is withdrawn, and the dashboard may have it"
    for row, at in evidence.staged.items():
        if at.state == "delivered" and row not in evidence.holders:
            yield f"{row} is delivered in batch {at.batch_id}, and the dashboard does not hold it"


def _is_proved_bad(evidence: Evidence, row: Any, attempts: list[Any]) -> bool:
    """Whether a batch may be refused: a single row, posted alone once more after the dashboard had accepted a call that was
    begun since the row was first refused, or failed; a failure is one of two at least. Without an acceptance it was refused
    twice, by a dashboard that has accepted something before.
    """
    if row.rows != 1 or not attempts or attempts[-1].outcome not in ("refused", "unknown"):
        return False
    last = attempts[-1]
    against = sum(found.outcome in ("refused", "unknown") for found in attempts)
    accepted_since = any(
        row.first_refused_at <= began and settled <= last.started_at for began, settled in evidence.acceptances
    )
    if last.outcome == "unknown":
        return accepted_since and against > 1
    return accepted_since or (against > 1 and bool(evidence.acceptances))


def _is_told_or_confirmed(evidence: Evidence, row: Any, attempts: list[Any]) -> bool:
    """Whether a refused row is marked as unproved, or the dashboard accepted a call that was begun after the refusal, or
    between two refusals of the row alone, or may have named it.
    """
    refusals = [found.started_at + timedelta(seconds=found.seconds) for found in attempts if found.outcome == "refused"]
    until = dict.fromkeys(refusals[:-1], attempts[-1].started_at) | {row.settled_at: _NEVER}
    is_confirmed = any(
        after <= began and settled <= by for after, by in until.items() for began, settled in evidence.acceptances
    )
    posted = set(evidence.lineage(row.id))
    by_message = {call["x_road_id"]: call["fault"] for call in evidence.calls.values()}
    may_be_named = any(by_message.get(found.message_id) == "refuse" for found in evidence.attempts if found.batch_id in posted)
    return row.settled_how == "unproved" or is_confirmed or may_be_named


def _order_within_requests(evidence: Evidence) -> Iterator[str]:
    """Changes of a request in one extraction arrive by date, except repeats and refused ones."""
    first: dict[Row, int] = {}
    for entry in evidence.entries:
        first.setdefault(tuple(entry[name] for name in _FIELDS), entry["seq"])
    requests: dict[tuple[int, str, str], list[tuple[datetime, float, Row]]] = defaultdict(list)
    for row, at in evidence.staged.items():
        if at.state not in _REFUSED:
            key = (at.extraction_id, at.change.service_id, at.change.request_id)
            requests[key].append((at.change.last_modified_date, first.get(row, float("inf")), row))
    for (extraction, service, name), changes in requests.items():
        changes.sort(key=lambda change: change[:2])
        arrivals = [arrived for _, arrived, _ in changes]
        if arrivals != sorted(arrivals):
            yield f"changes of {service}/{name} out of extraction {extraction} did not arrive by date: {arrivals}"


class Arrival(NamedTuple):
    """A row of a request, and when the dashboard first took it.

    :ivar request: service and request.
    :ivar day: the civil day of its date, which each pass posts as a whole.
    :ivar staged: the batch as which it was staged; of two readings the later one has the higher number.
    :ivar at: infinite if it did not arrive.
    """

    request: tuple[str, str]
    day: date
    changed: datetime
    staged: int
    at: float


def arrivals_of(evidence: Evidence) -> Iterator[Arrival]:
    """The rows that were never searched: what was refused, or failed, holds up nothing."""
    first: dict[Row, int] = {}
    for entry in evidence.entries:
        first.setdefault(tuple(entry[name] for name in _FIELDS), entry["seq"])
    for row, at in evidence.staged.items():
        line = [evidence.batches[identity] for identity in evidence.lineage(at.batch_id)]
        if at.state in ("pending", "delivered") and not any(each.cuts or each.first_refused_at for each in line):
            changed = at.change.last_modified_date
            request = at.change.service_id, at.change.request_id
            yield Arrival(request, local_day(changed, ZONE), changed, line[-1].id, first.get(row, math.inf))


def order_across_readings(arrivals: Iterable[Arrival]) -> Iterator[str]:
    """No change arrives before an older one of its request and day that had been staged before it."""
    requests: dict[tuple[Any, ...], list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        requests[(*arrival.request, arrival.day)].append(arrival)
    for (service, name, _), changes in requests.items():
        for older, newer in permutations(changes, 2):
            if older.changed < newer.changed and older.staged < newer.staged and newer.at < older.at:
                yield f"{service}/{name}: a change of batch {newer.staged} came before an older one of batch {older.staged}"


_FIELDS = StatusChange._fields


def _wire(change: StatusChange) -> Row:
    return (
        change.service_id,
        change.request_id,
        _instant(change.opening_date),
        change.status_id,
        _instant(change.last_modified_date),
    )


def _instant(value: datetime) -> str:
    return value.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def _texts(values: Iterable[Any]) -> tuple[str | None, ...]:
    return tuple(None if value is None else str(value).replace("\x07", "\\x07") for value in values)


def _complain(what: str, about: Iterable[Any]) -> Iterator[str]:
    found = list(about)
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield f"{what}: {', '.join(map(str, found[:_SHOWN]))}{more}"
