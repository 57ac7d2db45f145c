"""Authorisation: who may see the page and who may change something on it, by their Airflow permissions on the two DAGs.

A write must be a POST from the page itself. The browser reports the origin of a request (``Sec-Fetch-Site`` or ``Origin``), and
the form contains a token that no other site can read. Airflow's cookie proves neither, since browsers send it with any request.

Addresses stand in the logs of servers and proxies, and in browsers' histories. So the id of a request is encrypted in them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.tokens import get_signing_key
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from airflow.models.dag import DagModel
from cryptography.fernet import Fernet, InvalidToken
from fastapi import Depends, HTTPException, Request
from starlette.datastructures import FormData

HISTORY, DAILY = DAGS = ("historical_load", "daily_send")

#: Why a form was refused; the detail of the 403.
CROSS_SITE, FORM_EXPIRED = "cross-site", "form expired"

#: Name of the form field that contains the token.
FIELD = "token"

_COOKIE = "tablero_form"

#: Longest form accepted, in bytes: ten times a page of chosen rows.
_MAX_FORM = 256 * 1024

#: Required by every route: permission to read both DAGs, whose data the page shows.
READ = [Depends(requires_access_dag("GET", param_dag_id=dag_id)) for dag_id in DAGS]

_RIGHTS: tuple[tuple[Any, DagAccessEntity | None], ...] = (("PUT", None), ("POST", DagAccessEntity.RUN))

#: Required by every write: permission to edit both DAGs and to trigger their runs.
WRITE = [Depends(requires_access_dag(method, entity, param_dag_id=dag_id)) for method, entity in _RIGHTS for dag_id in DAGS]


def may_write(user: Any) -> bool:
    """Whether :data:`WRITE` would let this user pass."""
    manager = get_auth_manager()
    return all(
        manager.is_authorized_dag(
            method=method,
            access_entity=entity,
            details=DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)),
            user=user,
        )
        for method, entity in _RIGHTS
        for dag_id in DAGS
    )


def login_link(request: Request) -> str:
    """The login address, which returns to the requested page afterwards.

    The way back is a path alone: the browser completes it by the address it knows, so that neither a proxy that terminates TLS
    nor a forged ``Host`` header leads it elsewhere.
    """
    back = request.url.replace(scheme="", netloc="")
    return f"{get_auth_manager().get_url_login()}?{urlencode({'next': str(back)})}"


def is_encrypted(request: Request) -> bool:
    """Whether the browser sees an address with TLS: by ``[api] base_url``, since behind a proxy that terminates TLS the request
    itself says ``http``. Without that setting, by the request.
    """
    return (urlsplit(_base_url()).scheme or request.url.scheme) == "https"


def seal(request_id: str) -> str:
    """A request id as it may stand in an address, where only this Airflow can read it. It differs each time."""
    return _cipher(_secret()).encrypt(request_id.encode()).decode()


def unseal(sealed: str) -> str | None:
    """The request id; ``None`` if it was not sealed here, or Airflow's secret has changed since."""
    try:
        return _cipher(_secret()).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def _secret() -> str:
    """The secret that all API servers of an Airflow share."""
    return get_signing_key("api", "secret_key")


@lru_cache(maxsize=1)
def _cipher(secret: str) -> Fernet:
    # A key of its own, so that what Airflow signs with its secret is of no use here, and the reverse.
    return Fernet(urlsafe_b64encode(hashlib.blake2b(secret.encode(), digest_size=32, person=b"tablero/request").digest()))


def form_token(request: Request, user: Any) -> tuple[str, str | None]:
    """The token for the forms of a page.

    :returns: the token, and the browser's secret if it must be set as a cookie.
    """
    known = request.cookies.get(_COOKIE)
    secret = known or secrets.token_urlsafe(32)
    return _token(secret, user), None if known else secret


def keep_secret(response: Any, secret: str, *, path: str, secure: bool) -> None:
    """Set the browser's secret as a cookie that scripts and other sites cannot read."""
    response.set_cookie(_COOKIE, secret, path=path, httponly=True, samesite="strict", secure=secure)


def _token(secret: str, user: Any) -> str:
    return hmac.new(secret.encode(), f"tablero/{user.get_id()}".encode(), hashlib.sha256).hexdigest()


async def _own_form(request: Request, user: GetUserDep) -> FormData:
    """Read the form of a POST after checking that it comes from the page itself.

    :raises HTTPException: 403 if it does not, 413 if it is too long.
    """
    if not _is_own_origin(request):
        raise HTTPException(403, CROSS_SITE)
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > _MAX_FORM:
        raise HTTPException(413, "form too long")
    form = await request.form()
    secret = request.cookies.get(_COOKIE)
    given = form.get(FIELD)
    if not secret or not isinstance(given, str) or not hmac.compare_digest(given.encode(), _token(secret, user).encode()):
        raise HTTPException(403, FORM_EXPIRED)
    return form


def _is_own_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None:
        return False
    # Behind a proxy the Host header may differ from the host in the browser; base_url does not.
    own = {request.headers.get("host"), urlsplit(_base_url()).netloc}
    return urlsplit(origin).netloc in own - {None, ""}


def _base_url() -> str:
    return conf.get("api", "base_url", fallback=None) or ""


FormDep = Annotated[FormData, Depends(_own_form)]
