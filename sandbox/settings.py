"""The settings of the stand-ins: one frozen model, replaced as a whole when a setting changes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

#: The publisher's guide v1.3.1: production and development services of CNC (member class GOB is an
#: inference).
PRODUCTION_SERVICE = "DO/GOB/CNC/MONITOREO/INTEGRACION"
DEVELOPMENT_SERVICE = "DO/GOB/CNC/MONITOREO/INTEGRACION-DEV"

#: The institution registered on the security server by default.
DEFAULT_CLIENT = "DO/GOB/INST/SOLICITUDES"

#: X-Road system parameter ``max-loggable-message-body-size``: 10 MiB unless an operator changed it.
X_ROAD_LOGGABLE_BYTES = 10 * 1024 * 1024

ClientId = Annotated[str, StringConstraints(pattern=r"^[^/]+(/[^/]+){3}$")]
ServiceId = Annotated[str, StringConstraints(pattern=r"^[^/]+(/[^/]+){4}$")]


class Settings(BaseModel):
    """Everything about the stand-ins that a test may want to change while they run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Spelling of X-Road error types. "7.2": ``Server.ServerProxy.AccessDenied`` (all releases up to
    #: 7.7); "7.8": ``server.serverproxy.access_denied`` (7.8.0 and later). It is the generation of
    #: *our* security server.
    generation: Literal["7.2", "7.8"] = "7.2"
    #: The provider's security server is of the other generation. Its errors are relayed in its own
    #: spelling, which our server does not recognise as a server error: they arrive with HTTP 400
    #: instead of 500.
    mixed: bool = False
    #: Subsystems registered on our security server, ``instance/class/member/subsystem``.
    clients: tuple[ClientId, ...] = (DEFAULT_CLIENT,)
    #: Those of them that have access at the provider; null = all of them.
    allowed_clients: tuple[ClientId, ...] | None = None
    #: What the access right is for: the whole service, exactly ``POST /api/load``, a pattern that covers it,
    #: some other endpoint only, or nothing at all. ``allowedMethods`` and the calls themselves agree on it.
    access: Literal["full", "endpoint", "wildcard", "other", "none"] = "full"
    #: Provider services that exist, ``instance/class/member/subsystem/service``.
    services: tuple[ServiceId, ...] = (PRODUCTION_SERVICE, DEVELOPMENT_SERVICE)
    #: Largest body in bytes that the security server can put in its message log; more is an X-Road error.
    max_loggable_bytes: int = Field(default=X_ROAD_LOGGABLE_BYTES, ge=1)
    #: Largest body in bytes that the dashboard accepts; more is answered 413.
    max_bytes: int = Field(default=X_ROAD_LOGGABLE_BYTES, ge=1)
    #: Maximum number of entries that the dashboard accepts in one call (the guide: batches of up to 1000); more is
    #: answered 413.
    max_entries: int = Field(default=1000, ge=1)
    #: The answer to a call with repeated entries: accepted as if they were new, or 409 for the whole call.
    repeats: Literal["taken", "conflict"] = "taken"
    #: Refuse a call with one sentence that names neither entry nor field.
    vague_messages: bool = False
    #: Seed of every fault's random generator, so that a run with ``probability`` can be replayed.
    seed: int = 0

    def changed(self, changes: dict[str, Any]) -> Settings:
        """These settings with ``changes`` applied; ``pydantic.ValidationError`` if they are wrong."""
        return Settings.model_validate({**self.model_dump(), **changes})
