"""Control routes under ``/_sandbox/``: faults, settings, totals, received entries.

They are not recorded as calls.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Request
from pydantic import ValidationError

from sandbox.faults import read_fault
from sandbox.memory import read_calls, read_entries, summarise
from sandbox.state import Sandbox

router = APIRouter(prefix="/_sandbox")


def _sandbox(request: Request) -> Sandbox:
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


Here = Annotated[Sandbox, Depends(_sandbox)]
Fields = Annotated[dict[str, Any], Body()]


@router.get("/health")
async def health() -> dict[str, bool]:
    """Answers as soon as the server accepts calls."""
    return {"ok": True}


@router.get("/faults")
async def list_faults(here: Here) -> list[dict[str, Any]]:
    """The active faults, in the order in which they are tried."""
    return here.faults.listing()


@router.post("/faults", status_code=201)
async def add_fault(here: Here, fields: Fields) -> dict[str, int]:
    """Add a fault; 422 says what is wrong with its fields."""
    try:
        return {"id": here.faults.add(read_fault(fields))}
    except ValidationError as exc:
        raise _unprocessable(exc) from exc


@router.delete("/faults", status_code=204)
async def clear_faults(here: Here) -> None:
    """Remove all faults."""
    here.faults.clear()


@router.delete("/faults/{number}", status_code=204)
async def remove_fault(here: Here, number: int) -> None:
    """Remove one fault."""
    if not here.faults.remove(number):
        raise HTTPException(404, f"there is no fault {number}")


@router.get("/settings")
async def get_settings(here: Here) -> dict[str, Any]:
    """The current settings."""
    return here.settings.model_dump(mode="json")


@router.patch("/settings")
async def change_settings(here: Here, changes: Fields) -> dict[str, Any]:
    """Change some settings for all later calls; returns all of them."""
    try:
        return here.change_settings(changes).model_dump(mode="json")
    except ValidationError as exc:
        raise _unprocessable(exc) from exc


@router.post("/reset", status_code=204)
async def reset(
    here: Here,
    memory: Annotated[bool, Body()] = True,
    faults: Annotated[bool, Body()] = True,
    settings: Annotated[bool, Body()] = True,
) -> None:
    """Reset everything, or a part."""
    here.reset(memory=memory, faults=faults, settings=settings)


# The three that read the file are plain functions: they run in a thread and delay no call.


@router.get("/stats")
def stats(here: Here, distinct: bool = False) -> dict[str, Any]:
    """Totals since the last reset; ``distinct=true`` also counts the different entries."""
    gauges = {"in_flight": here.in_flight, "max_in_flight": here.max_in_flight}
    return {**summarise(here.memory.path, distinct=distinct), **gauges}


@router.get("/entries")
def entries(here: Here, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Accepted entries in order of arrival, starting after ``seq = after``."""
    return read_entries(here.memory.path, after=after, limit=limit)


@router.get("/calls")
def calls(here: Here, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Calls in order, starting after ``call_id = after``."""
    return read_calls(here.memory.path, after=after, limit=limit)


def _unprocessable(exc: ValidationError) -> HTTPException:
    problems = exc.errors(include_url=False, include_input=False, include_context=False)
    return HTTPException(422, [{"field": ".".join(map(str, each["loc"])), "problem": each["msg"]} for each in problems])
