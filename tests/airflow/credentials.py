"""The secrets of connection ``tablero_api`` in the tests."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, NamedTuple

import orjson


class Secrets(NamedTuple):
    """Credentials that the sandbox does not require, and that must appear nowhere."""

    login: str
    password: str
    api_key: str

    @property
    def connection(self) -> dict[str, Any]:
        """Fields of an HTTP connection that carry them."""
        extra = orjson.dumps({"X-Api-Key": self.api_key}).decode()
        return {"login": self.login, "password": self.password, "extra": extra}

    @property
    def forms(self) -> list[str]:
        """All texts that would reveal one of them."""
        return [self.password, self.api_key, b64encode(f"{self.login}:{self.password}".encode()).decode()]


SECRETS = Secrets("tablero", "contraseña-que-nadie-ve-4711", "clave-que-nadie-ve-0815")
