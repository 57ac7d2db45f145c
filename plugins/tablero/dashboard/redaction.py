"""Removing secrets from what is stored and shown: a failing server may echo the request's headers in any encoding."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from requests.utils import requote_uri

#: Shorter texts are not treated as secrets: removing them would make an answer unreadable.
_SHORTEST = 4

#: The same for parts of a header, which are often ordinary words.
_SHORTEST_PART = 8

#: The same for parts of a path or a query; ``services`` and ``sendMessage`` are shorter.
_SHORTEST_PIECE = 16


class Redactor:
    """Replaces secrets in a text, also if they are escaped for JSON, HTML, a URL or a Python string.

    :param secrets: in plain form.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets: tuple[str, ...] = ()
        self._spellings: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Add secrets; returns those that are long enough to be replaced."""
        new = tuple(sorted({text for text in secrets if len(text) >= _SHORTEST}))
        self.secrets = tuple(sorted({*self.secrets, *new}))
        spellings = {spelling for secret in self.secrets for spelling in _spellings(secret)}
        # Longest first, since one secret may be part of another.
        self._spellings = sorted(spellings, key=len, reverse=True)
        return new

    def __call__(self, text: str) -> str:
        """``text`` without the secrets."""
        for spelling in self._spellings:
            text = text.replace(spelling, "***")
        return text


def basic_credentials(login: str, password: str) -> set[str]:
    """The value of a Basic ``Authorization`` header, in both encodings that clients use."""
    pair = f"{login}:{password}"
    return {b64encode(pair.encode(encoding, "replace")).decode() for encoding in ("utf-8", "latin-1")}


def header_secrets(value: str) -> set[str]:
    """The value of a header, and parts that would be useful alone: a token without its scheme, a cookie without its name."""
    return {value, *(part for part in re.split(r'[\s,;="]+', value) if len(part) >= _SHORTEST_PART)}


def proxy_secrets(proxies: object) -> set[str]:
    """Credentials in proxy addresses, in the form requests takes: a mapping by scheme, or one address."""
    addresses = proxies.values() if isinstance(proxies, Mapping) else [proxies]
    found = set()
    for address in addresses:
        pair = str(address).rpartition("//")[2].rpartition("@")[0] if isinstance(address, str) else ""
        login, _, password = pair.partition(":")
        if password:
            plain = unquote(password)
            found |= {pair, password, plain, *basic_credentials(unquote(login), plain)}
        elif pair:
            found |= {pair, unquote(pair)}
    return found


def connection_secrets(connection: Any, extra: Mapping[str, Any]) -> set[str]:
    """The secrets of an HTTP connection: the password, the header made of it, and headers in its extra."""
    headers = [value for key, value in extra.items() if isinstance(value, str) and key not in ("verify", "cert", "proxy")]
    found = {secret for value in headers for secret in header_secrets(value)}
    for key in ("proxies", "proxy"):
        found |= proxy_secrets(extra.get(key))
    if connection.password:
        found |= {connection.password, *basic_credentials(connection.login or "", connection.password)}
    return found


def address_secrets(address: str) -> set[str]:
    """What is secret in an address that is itself the permission to call it, such as a webhook's: its path and query, as a
    whole, parts of them that are too long for ordinary words, and a login."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    whole = f"{parts.path}?{parts.query}" if parts.query else parts.path
    pieces = {piece for piece in re.split(r"[/?&=:]", whole) if len(piece) >= _SHORTEST_PIECE}
    found = {whole, *pieces} if len(whole) >= _SHORTEST_PART else pieces
    # Clients write an address in their own spelling.
    return (
        found | {unquote(text) for text in found} | {requote_uri(text) for text in found} | proxy_secrets(f"//{parts.netloc}")
    )


def _spellings(secret: str) -> set[str]:
    escaped = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        repr(secret.encode())[2:-1],
    }
    # Clients may decode UTF-8 bytes as Latin-1, as in headers, or the other way round.
    misread = {text.encode().decode("latin-1") for text in escaped}
    return escaped | misread | {text.encode("latin-1", "replace").decode("utf-8", "replace") for text in escaped}
