"""The account of a stack: what institution, outbox and dashboard say about the same rows, queried from outside."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, NamedTuple

from tests.compose.stack import Stack, wait_for

_RECONCILED = """
select label, rows_read, delivered, rejected, excluded, duplicates, pending, recount, settled
  from reconciliation
 where id in (select max(id) from reconciliation where run_id = '{run_id}' group by window_start)
"""
_ATTEMPTS = "select batch_id, message_id, outcome from attempt"
_BATCHES = "select id, rows, state from batch"
_INSTITUTION = "select count(*) as rows from tablero_status_changes"
_RUN = "select run_id, state from dag_run where dag_id = '{dag_id}' order by id limit 1"

#: The workers: every try counts, also one that was cut off.
_WORKERS = """
select hostname, count(*) as tries
  from (select hostname from task_instance union all select hostname from task_instance_history) as tries
 where hostname <> ''
 group by hostname
"""
_CALLS_IN_A_PAGE = 1000


class Account(NamedTuple):
    """Numbers of rows, unless stated otherwise.

    :ivar institution: in the institution's view.
    :ivar received: accepted by the dashboard, repeats included.
    :ivar distinct: different ones among them.
    :ivar unacknowledged: calls that the dashboard accepted but whose answer never arrived.
    :ivar attempts: calls on record, by how they ended; ``None``: cut off.
    """

    institution: int
    read: int
    delivered: int
    set_aside: int
    received: int
    distinct: int
    unacknowledged: int
    attempts: Counter[str | None]


def first_run(stack: Stack, dag_id: str) -> tuple[str, str]:
    """Id and state of the first run of a DAG, once there is one."""
    (found,) = wait_for(f"a run of {dag_id}", lambda: stack.sql("airflow", _RUN.format(dag_id=dag_id)))
    return found["run_id"], found["state"]


def ended(stack: Stack, dag_id: str) -> tuple[str, str]:
    """Id and state of the first run once it has ended."""

    def ended() -> tuple[str, str] | None:
        run_id, state = first_run(stack, dag_id)
        return (run_id, state) if state in ("success", "failed") else None

    with stack.timed(dag_id):
        return wait_for(f"the end of {dag_id}", ended)


def workers(stack: Stack) -> dict[str, int]:
    """Tries by worker."""
    return {row["hostname"]: row["tries"] for row in stack.sql("airflow", _WORKERS)}


def take(stack: Stack, run_id: str) -> Account:
    """Query all three sides and compare them.

    :raises AssertionError: a row is missing, was refused without a reason, or was posted after it had been acknowledged.
    """
    months = stack.sql("outbox", _RECONCILED.format(run_id=run_id))
    for month in months:
        ends = month["delivered"] + sum(month["rejected"].values()) + month["excluded"] + month["duplicates"]
        assert month["settled"], month
        assert (month["pending"], month["rows_read"], month["recount"]) == (0, ends, ends), month

    batches = {row["id"]: row for row in stack.sql("outbox", _BATCHES)}
    assert not [batch for batch in batches.values() if batch["state"] == "pending"]
    taken = {number: batch["rows"] for number, batch in batches.items() if batch["state"] == "delivered"}
    attempts = {row["message_id"]: row for row in stack.sql("outbox", _ATTEMPTS)}
    acknowledged = Counter(row["batch_id"] for row in attempts.values() if row["outcome"] == "delivered")
    assert acknowledged == Counter(taken.keys()), "each delivered batch was acknowledged exactly once"

    totals = stack.sandbox("/stats?distinct=true")
    assert not totals["violations"]
    unacknowledged = _hold_calls(_calls(stack), attempts, taken)
    (institution,) = stack.sql("postgres", _INSTITUTION, service="institution")
    account = Account(
        institution=institution["rows"],
        read=sum(month["recount"] for month in months),
        delivered=sum(taken.values()),
        set_aside=sum(sum(month["rejected"].values()) + month["excluded"] + month["duplicates"] for month in months),
        received=totals["entries_accepted"],
        distinct=totals["distinct_entries"],
        unacknowledged=unacknowledged,
        attempts=Counter(row["outcome"] for row in attempts.values()),
    )
    assert account.institution == account.read == account.delivered + account.set_aside, account
    assert account.distinct == account.delivered == sum(month["delivered"] for month in months), account
    return account


def _hold_calls(calls: list[dict[str, Any]], attempts: dict[str, Any], taken: dict[int, int]) -> int:
    """Compare what the dashboard accepted with the records.

    :returns: how many of its answers were lost.
    """
    outcomes: dict[int, list[str | None]] = defaultdict(list)
    for call in calls:
        attempt = attempts[call["x_road_id"]]  # recorded before it was made, whatever died since
        assert call["entries"] == taken[attempt["batch_id"]]
        outcomes[attempt["batch_id"]].append(attempt["outcome"])
    assert outcomes.keys() == taken.keys(), "the dashboard has every delivered batch, and no other"
    for batch, found in outcomes.items():
        # After its acknowledgement it was never posted again: the answers of all earlier calls were lost.
        assert found[-1] == "delivered", (batch, found)
        assert set(found[:-1]) <= {"unknown", None}, (batch, found)
    return sum(len(found) - 1 for found in outcomes.values())


def _calls(stack: Stack) -> list[dict[str, Any]]:
    """The calls that the dashboard accepted, in order of arrival."""
    found: list[dict[str, Any]] = []
    while page := stack.sandbox(f"/calls?after={found[-1]['call_id'] if found else 0}&limit={_CALLS_IN_A_PAGE}"):
        found += page
    return [call for call in found if call["accepted"]]
