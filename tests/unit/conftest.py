"""Unit tests need no network, no database and no Airflow: a connection attempt is an error."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from pytest_mock import MockerFixture


@pytest.fixture(autouse=True)
def _no_network(mocker: MockerFixture) -> None:
    def refuse(_: Any, address: Any) -> None:
        raise AssertionError(f"a unit test connects to {address}")

    mocker.patch.object(socket.socket, "connect", refuse)
