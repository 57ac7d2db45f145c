"""The state shared by security server, dashboard, control routes and server."""

from __future__ import annotations

import asyncio
from typing import Any

from sandbox.faults import FaultBook
from sandbox.memory import Memory
from sandbox.settings import Settings


class Sandbox:
    """Everything that the stand-ins and the control routes share.

    Settings and faults may be changed from any thread.
    """

    def __init__(self, memory: Memory, settings: Settings | None = None, *, client_tls: bool = False) -> None:
        self.memory = memory
        self.initial_settings = settings or Settings()
        self.settings = self.initial_settings
        self.faults = FaultBook(lambda: self.settings.seed)
        #: X-Road's connection type "HTTPS with client certificate", its default for a new subsystem
        #: (UG-SS 9.1).
        self.client_tls = client_tls
        #: Set when the server begins to close, so that nothing delays it.
        self.closing = asyncio.Event()
        #: Calls in progress now, and the most at any time; control calls are not counted.
        self.in_flight = 0
        self.max_in_flight = 0

    def change_settings(self, changes: dict[str, Any]) -> Settings:
        """Apply ``changes`` for all later calls; raises ``pydantic.ValidationError`` if they are wrong."""
        reseed = "seed" in changes
        self.settings = self.settings.changed(changes)
        if reseed:
            self.faults.reseed()
        return self.settings

    def reset(self, *, memory: bool = True, faults: bool = True, settings: bool = True) -> None:
        """Delete what was received, remove all faults, undo all changes of settings."""
        if settings:
            self.settings = self.initial_settings
        if faults:
            self.faults.clear()
        if memory:
            self.memory.reset()
            self.max_in_flight = self.in_flight
