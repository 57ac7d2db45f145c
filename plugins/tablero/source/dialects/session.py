"""What a connection sets for its session by ``options`` or ``init_command``, and this package sets as well.

It would be overruled without a word, so a connection that sets anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo

from tablero.errors import SetupError
from tablero.texts import source as texts

_CONNECTION = "tablero_source"

_VALUE = r"(?:'([^']*)'|\"([^\"]*)\"|([^\s;,]+))"
_SETS_ZONE = re.compile(rf"(?:\b|-c)time_?zone\s*(?::?=|\bto\b)\s*{_VALUE}", re.IGNORECASE)
_SETS_ENCODING = re.compile(
    rf"(?:\b|-c)(?:set\s+(?:names|charset|character\s+set)|(?:character_set_\w+|client_encoding)\s*:?=)\s*{_VALUE}",
    re.IGNORECASE,
)
_UTF8 = {"utf8", "utf-8", "unicode", "utf8mb3", "utf8mb4"}


def require_agreement(sets: str, parameter: str, zone: tzinfo) -> None:
    """Refuse other time zones and encodings than the session gets.

    :param sets: the value of the parameter.
    :param parameter: its name, for the error.
    :param zone: time zone of the session (``source_timezone``).
    :raises SetupError: if they differ.
    """
    for value in _values(_SETS_ZONE, sets):
        if value.lower() != str(zone).lower():
            raise SetupError(texts.ZONE_IS_OURS(connection=_CONNECTION, parameter=parameter, value=value, zone=str(zone)))
    for value in _values(_SETS_ENCODING, sets):
        if not is_utf8(value):
            raise SetupError(texts.ENCODING_IS_OURS(connection=_CONNECTION, parameter=parameter, value=value))


def is_utf8(encoding: str) -> bool:
    """Whether a database's name of an encoding means UTF-8."""
    return encoding.lower() in _UTF8


def _values(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for match in pattern.finditer(text):
        yield next(value for value in match.groups() if value is not None)
