"""Keeping secrets out of what is stored and shown: a failing server may echo the call's headers in any encoding."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote

#: Shorter texts are no secrets, and cutting them out of an answer would make it unreadable.
_SHORTEST = 4

#: The same for a part of a header: shorter ones are names and words of all kinds.
_SHORTEST_PART = 8


class Redactor:
    """Replaces secrets in a text, also where they are escaped for JSON, HTML, a URL or a Python string.

    :param secrets: as they are.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets: tuple[str, ...] = ()
        self._spellings: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Further secrets; returns those that are long enough to be any."""
        new = tuple(sorted({text for text in secrets if len(text) >= _SHORTEST}))
        self.secrets = tuple(sorted({*self.secrets, *new}))
        spellings = {spelling for secret in self.secrets for spelling in _spellings(secret)}
        # The longest first: one secret may be a part of another.
        self._spellings = sorted(spellings, key=len, reverse=True)
        return new

    def __call__(self, text: str) -> str:
        """``text`` without the secrets."""
        for spelling in self._spellings:
            text = text.replace(spelling, "***")
        return text


#: Shortest value of a row that is looked for inside of words; shorter ones stand alone, or they would hide half a sentence.
_LONG_ENOUGH = 6

_BETWEEN_WORDS = re.compile(r"([^\w.\-/]+)")


def hide_values(words: str, values: Iterable[str]) -> str:
    """``words`` of the other side without values of the rows that were posted, wherever it quotes them."""
    hidden = set(values)
    for value in sorted(hidden, key=len, reverse=True):
        if len(value) >= _LONG_ENOUGH:
            words = words.replace(value, "***")
    return "".join("***" if piece in hidden else piece for piece in _BETWEEN_WORDS.split(words))


def basic_credentials(login: str, password: str) -> set[str]:
    """The value of a Basic ``Authorization`` header, in both encodings that clients use."""
    pair = f"{login}:{password}"
    return {b64encode(pair.encode(encoding, "replace")).decode() for encoding in ("utf-8", "latin-1")}


def header_secrets(value: str) -> set[str]:
    """The value of a header, and its parts that are of use alone: a token without its scheme, a cookie without its name."""
    return {value, *(part for part in re.split(r'[\s,;="]+', value) if len(part) >= _SHORTEST_PART)}


def proxy_secrets(proxies: object) -> set[str]:
    """Credentials in the addresses of proxies, given as requests takes them: by scheme, or one address."""
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
    # A client takes bytes for Latin-1 where they are UTF-8, as in headers, or the other way round.
    misread = {text.encode().decode("latin-1") for text in escaped}
    return escaped | misread | {text.encode("latin-1", "replace").decode("utf-8", "replace") for text in escaped}
