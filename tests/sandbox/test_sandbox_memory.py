"""The sandbox's memory, and the routes that read and control it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.memory import CallRecord, Memory, count_entries, read_calls, read_entries
from sandbox.testing import Handle
from tests.waiting import wait_for

Entry = Callable[..., dict[str, Any]]
Post = Callable[..., requests.Response]


def test_entries_in_order_of_arrival(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Every accepted entry is stored with its call and its position in it, including repeats."""
    post(entry("B"), entry("A"))
    post(entry("A"))

    stored = [(each["request_id"], each["call_id"], each["position"]) for each in sandbox.entries()]
    assert stored == [("B", 1, 0), ("A", 1, 1), ("A", 2, 0)]
    assert [each["seq"] for each in sandbox.entries()] == [1, 2, 3]


def test_counts(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Entries count as the same only if all five values are equal."""
    post(entry("A"), entry("A"), entry("A", status_id=3))
    post(entry("A"))

    first, other = tuple(entry("A").values()), tuple(entry("A", status_id=3).values())
    assert sandbox.counts() == {first: 3, other: 1}


def test_calls_are_recorded_with_their_headers(post: Post, sandbox: Handle, entry: Entry) -> None:
    """A call is stored with its client, its content and its answer."""
    before = datetime.now(timezone.utc)
    headers = {"X-Road-Id": "id-1", "X-Road-Issue": "batch-7", "User-Agent": "tester/1"}
    response = post(entry("A"), entry("B"), headers=headers)
    (call,) = sandbox.calls()

    assert before <= datetime.fromisoformat(call.pop("received_at")) <= datetime.now(timezone.utc)
    assert call == {
        "call_id": 1,
        "method": "POST",
        "path": "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load",
        "x_road_id": "id-1",
        "x_road_issue": "batch-7",
        "x_road_client": "DO/GOB/INST/SOLICITUDES",
        "user_agent": "tester/1",
        "entries": 2,
        "bytes": int(response.request.headers["Content-Length"]),
        "status": 201,
        "fault": None,
        "accepted": True,
        "violations": [],
    }


def test_refused_calls_are_recorded_too(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Refusals by X-Road, by the dashboard and by neither are all recorded."""
    post(headers={"X-Road-Client": None})
    post(entry("A", status_id=0), entry("B"))
    post(path="/nowhere")
    requests.get(sandbox.url + "/listClients", timeout=60)

    calls = sandbox.calls()
    assert [(call["status"], call["entries"], call["accepted"]) for call in calls] == [
        (500, 0, False),
        (400, 2, False),
        (200, 0, False),
        (200, 0, False),
    ]


def test_control_routes_are_not_recorded(sandbox: Handle) -> None:
    """Control requests are not recorded among the calls."""
    sandbox.add_fault(kind="soap")
    sandbox.stats()

    assert sandbox.calls() == []


def test_cut_off_upload(sandbox: Handle) -> None:
    """An upload that ends early is recorded without an answer."""
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.sendall(b"POST /api/load HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        wait_for("its beginning has arrived", lambda: sandbox.stats()["in_flight"])

    (call,) = wait_for("it is recorded", sandbox.calls)
    assert (call["status"], call["violations"]) == (None, ["upload_cut_off"])


def test_stats(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Totals of calls, entries, statuses and faults."""
    post(entry("A"), entry("A"))
    post(entry("A"))
    post(json={})
    sandbox.add_fault(kind="drop_after")
    with pytest.raises(requests.exceptions.ConnectionError):
        post(entry("B"))

    stats = sandbox.stats(distinct=True)
    assert stats["calls"] == 4
    assert stats["calls_accepted"] == 3
    assert stats["entries_accepted"] == 4
    assert stats["distinct_entries"] == 2
    assert stats["by_status"] == {"none": 1, "201": 2, "400": 1}
    assert stats["by_fault"] == {"drop_after": 1}
    assert "distinct_entries" not in sandbox.stats()


def test_many_threads_at_once(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Parallel calls are each stored completely and exactly once."""

    def send(worker: int) -> None:
        for number in range(5):
            entries = [entry(f"{worker}-{number}-{index}") for index in range(50)]
            assert post(*entries).status_code == 201

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sandbox.counts()) == 8 * 5 * 50
    assert set(sandbox.counts().values()) == {1}
    positions = [each["position"] for each in sandbox.entries()]
    assert positions == list(range(50)) * 40


def test_reset(post: Post, sandbox: Handle) -> None:
    """Reset clears memory, faults and settings; each of them can be excluded."""
    post()
    sandbox.settings(vague_messages=True)
    sandbox.add_fault(kind="soap")

    sandbox.reset(memory=False, settings=False)
    assert sandbox.faults() == []
    assert len(sandbox.entries()) == 1
    assert sandbox.settings()["vague_messages"] is True

    sandbox.reset()
    assert sandbox.entries() == sandbox.calls() == []
    assert sandbox.settings()["vague_messages"] is False
    post()
    assert sandbox.calls()[0]["call_id"] == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"generation": "6"}, "generation"),
        ({"vague": True}, "vague"),
        ({"clients": ["DO/GOB"]}, "clients"),
        ({"max_entries": 0}, "max_entries"),
    ],
    ids=str,
)
def test_wrong_settings(sandbox: Handle, changes: dict[str, Any], problem: str) -> None:
    """A wrong setting is refused by name, and nothing changes."""
    before = sandbox.settings()
    with pytest.raises(ValueError, match=problem):
        sandbox.settings(**changes)
    assert sandbox.settings() == before


def test_received_entries_over_http(post: Post, sandbox: Handle, entry: Entry) -> None:
    """What was received can be read page by page without access to the file."""
    post(entry("A"), entry("B"), entry("C"))
    url = sandbox.url + "/_sandbox"

    first = requests.get(url + "/entries?limit=2", timeout=60).json()
    rest = requests.get(f"{url}/entries?after={first[-1]['seq']}", timeout=60).json()
    assert [each["request_id"] for each in first + rest] == ["A", "B", "C"]
    assert requests.get(url + "/calls", timeout=60).json() == sandbox.calls()


def test_memory_is_all_or_nothing(tmp_path: Path) -> None:
    """If one entry cannot be stored, neither the others nor the call are."""
    memory = Memory(tmp_path / "m.db")
    good = ("1", "R", "2025-01-01T00:00:00Z", 1, "2025-01-01T00:00:00Z")
    broken: Any = ("1", None, "2025-01-01T00:00:00Z", 1, "2025-01-01T00:00:00Z")
    with pytest.raises(Exception, match="NOT NULL"):
        memory.record(CallRecord("POST", "/api/load"), [good, broken])
    assert memory.record(CallRecord("POST", "/api/load"), [good]) == 1
    memory.close()

    assert len(read_calls(tmp_path / "m.db")) == len(read_entries(tmp_path / "m.db")) == 1
    assert count_entries(tmp_path / "m.db") == {good: 1}
