"""Calls that ended without an answer: the outcome of each kind of exception."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import urllib3
from requests import exceptions as http
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.texts import dashboard as texts

#: Most characters of a library's message, which becomes part of a sentence in both languages.
_LONGEST = 200


def lost(error: BaseException, url: str, redact: Callable[[str], str], *, never_connected: bool = False) -> Answer:
    """The result of a call that ended without an answer.

    :param error: as raised by requests or urllib3.
    :param url: of the call.
    :param redact: removes secrets from what is kept.
    :param never_connected: the connection for the call was never established, so nothing was sent.
    """
    words = innermost(error, redact)
    if _is_about_certificates(error):
        return Answer.saying(Outcome.PERMANENT, texts.CERTIFICATE(words=words))
    if isinstance(error, (http.InvalidURL, http.MissingSchema, http.InvalidSchema, http.InvalidHeader)):
        return Answer.saying(Outcome.PERMANENT, texts.WRONG_ADDRESS(words=words, check=texts.CHECK))
    if never_connected:
        return Answer.saying(Outcome.TRANSIENT, texts.NO_CONNECTION(url=url, words=words))
    return Answer.saying(Outcome.UNKNOWN, texts.LOST(words=words))


def innermost(error: BaseException, redact: Callable[[str], str]) -> str:
    """The message of the innermost cause, which is the one that helps a person."""
    *_, reason = _chain(error)
    return clean(redact(str(reason)), _LONGEST)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes, the innermost last."""
    while isinstance(error, BaseException):
        yield error
        inner = getattr(error.args[0] if error.args else None, "reason", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _is_about_certificates(error: BaseException) -> bool:
    wrong = (ssl.SSLCertVerificationError, urllib3.exceptions.SSLError, http.SSLError)
    return any(
        isinstance(reason, ssl.CertificateError)
        or (isinstance(reason, (*wrong, ssl.SSLError, OSError)) and "certificate" in str(reason).lower())
        for reason in _chain(error)
    )
