"""Generated answers of servers that are broken, overloaded, misconfigured or malicious."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from itertools import repeat

from tests.hostile.wire import Script, Step

Generator = Callable[[random.Random], Script]

_GOOD_BODY = b'{"code":201,"success":true,"message":"20 solicitudes recibidas correctamente"}'


def answer(body: bytes, status: str = "201 Created", **headers: str) -> bytes:
    """A well-formed answer; underscores in header names stand for hyphens, and an empty value removes a header."""
    fields = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def truncated(rng: random.Random) -> Script:
    """A good answer that ends too early."""
    whole = answer(_GOOD_BODY)
    return Script("truncated", [whole[: rng.randrange(len(whole))]], reset=rng.random() < 0.3)


def wrong_length(rng: random.Random) -> Script:
    """A wrong Content-Length."""
    length = rng.choice(("100000", "-1", "", "abc", "1e3", "٣", "²", "9" * 30, "9" * 5000, "0x10", "79, 79", "+79", "79 79"))
    return (
        Script("wrong length", [answer(_GOOD_BODY[:-1] if rng.random() < 0.5 else b"", Content_Length=length)])
        if (length.isascii())
        else Script("wrong length", [answer(b"").replace(b"Content-Length: 0", f"Content-Length: {length}".encode())])
    )


def two_lengths(rng: random.Random) -> Script:
    """Two contradicting lengths, or a length together with chunks."""
    extra = rng.choice((b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n"))
    return Script("two lengths", [answer(_GOOD_BODY[:-1]).replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n", 1)])


def compressed(rng: random.Random) -> Script:
    """Bodies declared as compressed: bombs, truncated ones, and uncompressed ones."""
    size = rng.choice((10_000, 1_000_000, 20_000_000))
    zeros = _BOMBS[size]
    name, body = rng.choice(
        (
            ("gzip", zeros),
            ("gzip", zeros[: len(zeros) // 2]),
            ("gzip", _TWICE[size]),
            ("gzip, gzip", _TWICE[size]),
            ("gzip, gzip, gzip, gzip, gzip, gzip, gzip", zeros),
            ("gzip", _GOOD_BODY[:-1]),
            ("deflate", zlib.compress(zeros)),
            ("deflate", b"\x78\x9c\x00"),
            ("br", b"\x00\x01\x02"),
            ("zstd", b"\x28\xb5\x2f\xfd\x00"),
            ("x-what", b"{"),
            ("gzip", b""),
        )
    )
    return Script("compressed", [answer(body, Content_Encoding=name)])


def large(rng: random.Random) -> Script:
    """Ten megabytes as success, refusal or failure."""
    status = rng.choice(("201 Created", "400 Bad Request", "500 Internal Server Error", "302 Found"))
    head = answer(b"", status, Content_Length=rng.choice(("10000000", "")))
    filling = rng.choice((b" ", b"[", b"\xff", b'{"a":', b"<p>", b"\r\n", b"requests.1 "))
    piece = filling * (65536 // len(filling))
    return Script("large", [head, *repeat(piece, 10_000_000 // len(piece))])


def deep(rng: random.Random) -> Script:
    """JSON that is nested deeply, or has huge numbers, or many keys."""
    depth = rng.choice((500, 900, 1000, 10_000))  # around Python's own limit, and beyond any
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    nested = opening * depth + "1" + closing * depth
    body = rng.choice(
        (
            nested,
            '{"success": false, "message": ' + nested + "}",
            '{"success": false, "message": [' + nested + "]}",
            '{"success": false, "message": ' + "9" * 5000 + "}",
            '{"success": 1e999, "message": 1e999',
            '{"success": false, "message": [' + ",".join(map(str, range(9000))) + "]}",
            '{"success": false, "message": [' + ",".join(f'"requests.{n} x"' for n in range(3000)) + "]}",
            '{"success": false, "message": "' + "requests." * 7000 + '"}',
            '{"success": false, "success": false, "message": {"message": {"message": null}}}',
        )
    )
    status = rng.choice(("201 Created", "400 Bad Request", "200 OK", "500 Oops"))
    taken = status[0] == "2" and opening.startswith("{") and body == nested and depth <= 1000
    return Script("deep", [answer(body.encode(), status)], success=taken)


def not_an_object(rng: random.Random) -> Script:
    """A 2xx answer without a JSON object, or with an object that says ``success: false``."""
    body = rng.choice(
        (
            b"",
            b"null",
            b"true",
            b"201",
            b'"ok"',
            b"[]",
            b"[{}]",
            b"NaN",
            b"{",
            b"{}}",
            b"{'success': true}",
            b"OK",
            b"<html>ok</html>",
            b'{"success": false}',
            b'{"success":false,"code":201}',
            b'\xef\xbb\xbf{"success":false}',
            b"{\x00}",
            b"\x00" * 100,
        )
    )
    return Script(
        "not an object", [answer(body, rng.choice(("200 OK", "201 Created", "202 Accepted", "206 Partial", "299 ?")))]
    )


def not_utf8(rng: random.Random) -> Script:
    """Bytes that are not UTF-8, in body, headers or reason."""
    junk = rng.randbytes(rng.randint(1, 60))
    place = rng.randrange(3)
    if place == 0:
        return Script("not utf-8", [answer(b'{"success":false,"message":"' + junk + b"\xff")])
    junk = junk.translate(None, b"\r\n")
    whole = answer(_GOOD_BODY, "400 Bad Request")
    if place == 1:
        return Script("not utf-8", [whole.replace(b"Bad Request", b"\xff" + junk, 1)])
    name = rng.choice((b"X-Road-Error", b"Retry-After", b"X-Road-Request-Id", b"Content-Type", b"X-\xff", b"Location"))
    return Script("not utf-8", [whole.replace(b"\r\n", b"\r\n" + name + b": " + junk + b"\r\n", 1)])


def odd_status(rng: random.Random) -> Script:
    """Invalid status lines, and answers of other protocols."""
    line = rng.choice(
        (
            b"HTTP/0.9 200 OK",
            b"HTTP/1.1",
            b"HTTP/1.1 ",
            b"HTTP/1.1 20",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 000 OK",
            b"HTTP/1.1 -200 OK",
            b"HTTP/1.1 200OK",
            b"HTTP/1.1 abc OK",
            b"HTTP/1.1 600 Beyond",
            b"HTTP/1.1 999 Beyond",
            b"HTTP/2 503 OK",
            b"HTTP/9.9 400 OK",
            b"ICY 200 OK",
            b"SSH-2.0-OpenSSH_9.2",
            b"220 smtp ESMTP",
            b"\x15\x03\x01\x00\x02\x02\x28",
            b"\x00" * 20,
            b" ",
            b"{}",
            _GOOD_BODY,
            b"<html>",
            b"HTTP/1.1 400 " + b"x" * 70_000,
            b"x" * 200_000,
        )
    )
    rest = rng.choice((b"", b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n[]", b"\n\n[]", b"\r\n\r\n" + _GOOD_BODY[:-1]))
    return Script("odd status", [line + rest])


def odd_headers(rng: random.Random) -> Script:
    """Headers that are too many, too long, folded, nameless, or contradictory."""
    headers = rng.choice(
        (
            b"".join(b"X-%d: y\r\n" % n for n in range(rng.choice((90, 99, 101, 5000)))),
            b"X-Long: " + b"y" * rng.choice((60_000, 66_000, 1_000_000)) + b"\r\n",
            b" folded: yes\r\n",
            b"X: a\r\n b\r\n\tc\r\n",
            b": nameless\r\n",
            b"no colon\r\n",
            b"X\x00Y: z\r\n",
            b"Set-Cookie: " + b"a=b; " * 3000 + b"\r\n",
            b"Location: \x00\r\nLocation: //[::1\r\n",
            b"Connection: close, keep-alive, upgrade\r\nUpgrade: h2c\r\n",
            b"X-Road-Error: \r\nX-Road-Error: Server.ServerProxy." + b"A" * 3000 + b"\r\n",
            b"X-Road-Error: server." + b"." * 2000 + b"\r\n",
            b"Content-Type: text/xml; charset=nonsense\r\n",
            b"Date: yesterday\r\n",
        )
    )
    status = rng.choice(("400 Bad Request", "503 Busy", "302 Found", "500 Oops"))
    return Script("odd headers", [answer(b"[]", status).replace(b"\r\n", b"\r\n" + headers, 1)])


def odd_retry_after(rng: random.Random) -> Script:
    """``Retry-After`` in invalid forms."""
    value = rng.choice(
        (
            "-1",
            "1.5",
            "1e9",
            "999999999",
            "99999999999999999999",
            "9" * 5000,
            "soon",
            "NaN",
            "inf",
            ", ",
            "Fri, 31 Dec 1999 23:59:59 GMT",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
            "Fri, 99 Dec 2026 99:99:99 GMT",
            "Fri, 31 Dec 2026 23:59:59 +99999999999",
            "Fri, 31 Dec 2026 23:59:59 +9959",
            "31 Dec 0000 00:00:00 GMT",
            "Mon, 01 Jan 0001 00:00:00 +1400",
            "(((((((((((((((((((",
            '"' * 500,
            "1 2 3 4 5 6 7 8",
        )
    )
    return Script("odd Retry-After", [answer(b"{}", rng.choice(("429 Slow", "503 Busy", "400 Bad")), Retry_After=value)])


def interim(rng: random.Random) -> Script:
    """1xx answers before, or instead of, the real one."""
    status = rng.choice((100, 100, 101, 102, 103, 199))
    flood = b"HTTP/1.1 %d Wait\r\n%s\r\n" % (status, rng.choice((b"", b"Link: </x>\r\n")))
    end = rng.choice((b"", answer(b"[]"), answer(b"", "503 Busy")))
    return Script("interim", [flood * rng.choice((1, 3, 200, 5000)), end])


def odd_chunks(rng: random.Random) -> Script:
    """Invalid chunked bodies."""
    body = rng.choice(
        (
            b"zz\r\n{}\r\n0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffffffffffff\r\n{",
            b"7fffffffffffffff\r\n{",
            b"2\r\n[]",
            b"2\r\n[]\r\n",
            b"2\r\n[]extra\r\n0\r\n\r\n",
            b"0\r\n",
            b"0\r\n" + b"T: x\r\n" * 3000,
            b"\r\n\r\n",
            b"2;" + b"x" * 70_000 + b"\r\n[]\r\n0\r\n\r\n",
            b"0" * 70_000 + b"2\r\n[]\r\n0\r\n\r\n",
            b"1\r\n[\r\n" * 2000,
            b"0x2\r\n[]\r\n0\r\n\r\n",
            b"2\n[]\n0\n\n",
            b"\xff\xff\r\n",
            b"",
            b"1\r\n{\r\n" + b"1\r\n \r\n" * 1000 + b"0\r\n\r\n",
        )
    )
    return Script("odd chunks", [answer(body, Content_Length="", Transfer_Encoding="chunked")], reset=rng.random() < 0.2)


def noise(rng: random.Random) -> Script:
    """Random bytes."""
    return Script("noise", [rng.randbytes(rng.randint(0, 3000))], reset=rng.random() < 0.2)


def flipped(rng: random.Random) -> Script:
    """A refusal with some bytes changed: it never becomes a success."""
    whole = bytearray(
        answer(b'{"statusCode":400,"message":["requests.3.status_id must be"],"error":"Bad Request"}', "400 Bad Request")
    )
    for _ in range(rng.randint(1, 6)):
        whole[rng.randrange(12, len(whole))] = rng.randrange(256)
    return Script("flipped", [bytes(whole)])


def good(rng: random.Random) -> Script:
    """A success in the forms that HTTP allows."""
    body = rng.choice(
        (_GOOD_BODY, b"{}", b'{"success":null}', b' {"code": 200 } ', json.dumps({"message": "ñ" * 9000}).encode())
    )
    if rng.random() < 0.5:
        status = rng.choice(("200 OK", "201 Created", "201", "202 Accepted"))
        return Script(
            "good", [answer(body, status, **rng.choice(({}, {"Content_Length": ""}, {"X": "y" * 9000})))], success=True
        )
    cut = rng.randint(1, len(body))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
    return Script("good", [answer(chunks + b"0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked")], success=True)


def drips() -> dict[str, tuple[bytes, bytes]]:
    """Answers that arrive byte by byte, each in time, but never completely: the beginning, and what is then repeated."""
    head = answer(b"", Content_Length="100000000")
    endless = answer(b"", Content_Length="")
    chunked = answer(b"", Content_Length="", Transfer_Encoding="chunked")
    return {
        "no status line": (b"", b"H"),
        "status": (b"HTTP/1.1 ", b"2"),
        "reason": (b"HTTP/1.1 201 ", b"x"),
        "long header": (b"HTTP/1.1 201 Created\r\nX: ", b"y"),
        "headers": (b"HTTP/1.1 201 Created\r\n", b"X: y\r\n"),
        "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "interim headers": (b"HTTP/1.1 100 Continue\r\n", b"X: y\r\n"),
        "body": (head, b" "),
        "body without end": (endless + b'{"success":true', b" "),
        "refusal": (answer(b"", "400 Bad Request", Content_Length=""), b" "),
        "chunk size": (chunked, b"0"),
        "chunks": (chunked, b"1\r\n \r\n"),
        "trailers": (chunked + b"0\r\n", b"X: y\r\n"),
    }


def dripping(start: bytes, drop: bytes, pause: float) -> Script:
    """Send the beginning, then one byte at a time for ever.

    :param pause: seconds between two bytes.
    """

    def steps() -> Iterator[Step]:
        yield start
        while True:
            yield drop
            if pause:
                yield pause

    return Script("dripping", steps())


def silent(rng: random.Random) -> Script:
    """Silence from some point on."""
    whole = answer(_GOOD_BODY)
    return Script("silent", [whole[: rng.randrange(len(whole))], 600.0])


_BOMBS = {size: gzip.compress(b" " * size) for size in (10_000, 1_000_000, 20_000_000)}

_TWICE = {size: gzip.compress(bomb) for size, bomb in _BOMBS.items()}

#: Twenty megabytes of blanks in twenty kilobytes.
BOMB = _BOMBS[20_000_000]

#: Kinds that end by themselves.
QUICK: tuple[Generator, ...] = (
    truncated,
    wrong_length,
    two_lengths,
    compressed,
    deep,
    not_an_object,
    not_utf8,
    odd_status,
    odd_headers,
    odd_retry_after,
    interim,
    odd_chunks,
    noise,
    flipped,
    good,
)
