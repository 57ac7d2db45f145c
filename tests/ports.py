"""Ports for servers that a test starts by their own programs, which have to be told one."""

from __future__ import annotations

import random
import socket

#: Below those that the kernel gives to clients (32768 to 60999): a port stays free while its server starts.
_SERVERS = range(20_000, 32_768)

_given: set[int] = set()


def free_port() -> int:
    """A port on which nothing listens, and which this process has not been given before."""
    while True:
        port = random.SystemRandom().choice(_SERVERS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
