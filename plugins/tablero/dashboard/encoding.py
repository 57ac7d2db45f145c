"""The text of an answer, whatever its encoding."""

from __future__ import annotations

import codecs
import re

#: The encodings that are understood; Python knows others, some of which are none or take very long.
_ENCODINGS = {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "iso8859-1", "iso8859-15", "cp1252"}

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(content: bytes | bytearray, content_type: str) -> str:
    """Decode a body by its byte order mark, the charset it declares, or as UTF-8; undecodable bytes are replaced.

    JSON has no byte order mark (RFC 8259, 8.1), but ASP.NET sends one, and parsers refuse it.
    """
    encoding = "utf-16" if content.startswith(_UTF_16) else _declared(content_type)
    return content.decode(encoding, errors="replace").removeprefix("\ufeff")


def _declared(content_type: str) -> str:
    found = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type, re.IGNORECASE | re.ASCII)
    try:
        encoding = codecs.lookup(found.group(1)).name if found else "utf-8"
    except LookupError:
        return "utf-8"
    return encoding if encoding in _ENCODINGS else "utf-8"
