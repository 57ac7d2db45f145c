"""Static files, and a 404 for every unknown address.

Not mounted, since a mount would bypass the login.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response
from tablero.web.page import STATIC

router = APIRouter()

#: Cached by the browser for good, since the address of a file changes with its content.
_KEPT = "private, max-age=31536000, immutable"

_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@router.get("/static/{name}")
def send_file(name: str) -> Response:
    """One of the files in ``static/``."""
    found = next((path for path in STATIC.iterdir() if path.name == name and path.suffix in _KINDS), None)
    if found is None:
        raise HTTPException(404)
    return FileResponse(found, media_type=_KINDS[found.suffix], headers={"Cache-Control": _KEPT})


@router.api_route("/{path:path}", methods=["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def nothing_here(path: str) -> Response:
    """Any other address: 404, for those who are logged in."""
    raise HTTPException(404)
