"""The caller's name in the other side's logs."""

from __future__ import annotations

import pytest
import tablero

from sandbox.memory import read_calls
from sandbox.testing import Handle
from tests.hostile.conftest import Client
from tests.integration.conftest import _shared_sandbox, sandbox  # noqa: F401 fixtures

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("extra", "agent"), [({}, f"tablero/{tablero.__version__}"), ({"User-Agent": "institution/7"}, "institution/7")]
)
def test_user_agent(sandbox: Handle, client: Client, extra: dict[str, str], agent: str) -> None:  # noqa: F811
    """The user agent is the package and its version, unless the connection defines another one."""
    client(sandbox.port, extra=extra).post(b'{"requests": []}', message_id="1", issue="1")
    assert {call["user_agent"] for call in read_calls(sandbox.database)} == {agent}
