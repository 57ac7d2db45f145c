"""One sandbox for all tests, reset before each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from sandbox.testing import Handle, running_sandbox
from tests.waiting import PATIENCE, wait_for

LOAD = "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load"
CLIENT = "DO/GOB/INST/SOLICITUDES"

Entry = Callable[..., dict[str, Any]]
Post = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def _shared_sandbox() -> Iterator[Handle]:
    with running_sandbox() as handle:
        yield handle


@pytest.fixture
def sandbox(_shared_sandbox: Handle) -> Handle:
    """A sandbox that has received nothing and has no faults configured."""
    wait_for("the calls of the test before have ended", lambda: _shared_sandbox.stats()["in_flight"] == 0)
    _shared_sandbox.reset()
    return _shared_sandbox


@pytest.fixture
def entry() -> Entry:
    """Creates a valid entry; keyword arguments change fields, ``None`` removes one."""

    def make(request_id: str = "REQ-001", **changes: Any) -> dict[str, Any]:
        fields = {
            "service_id": "123",
            "request_id": request_id,
            "opening_date": "2025-06-13T08:00:00Z",
            "status_id": 2,
            "last_modified_date": "2025-06-13T10:15:00Z",
        }
        fields.update(changes)
        return {name: value for name, value in fields.items() if value is not None}

    return make


@pytest.fixture
def post(sandbox: Handle, entry: Entry) -> Post:
    """Posts entries correctly; ``headers`` with the value None are omitted."""

    def send(
        *entries: Any, path: str = LOAD, headers: dict[str, str | None] | None = None, **options: Any
    ) -> requests.Response:
        all_headers: dict[str, str | None] = {"Accept": "application/json"}
        if path.startswith("/r1/"):
            all_headers["X-Road-Client"] = CLIENT
        all_headers.update(headers or {})
        if not {"data", "json"} & set(options):
            options["json"] = {"requests": list(entries) or [entry()]}
        options.setdefault("timeout", PATIENCE)
        options.setdefault("allow_redirects", False)
        given = {name: value for name, value in all_headers.items() if value is not None}
        return requests.post(sandbox.url + path, headers=given, **options)

    return send
