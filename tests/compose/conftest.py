"""Tests of docker-compose.yaml with a real Docker engine: minutes each, so `make test` leaves them out."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            for name in ("compose", "system", "slow"):
                item.add_marker(name)
