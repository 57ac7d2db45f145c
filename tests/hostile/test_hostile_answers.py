"""Thousands of abnormal answers: each call ends in time, in little memory, with a named outcome."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from tablero.dashboard.answer import MAX_KEPT, Answer, Outcome
from tablero.dashboard.client import Dashboard

from tests.hostile import answers
from tests.hostile.answers import QUICK, Generator
from tests.hostile.conftest import IMPATIENT, Client
from tests.hostile.wire import Script, WireServer

#: Answers of each kind that ends by itself; there are 15 kinds.
EACH = 140

#: Seconds after which a call has ended, however busy the machine: the read timeout is half a second, and these answers
#: last ten minutes.
IN_TIME = 300.0

BODY = b'{"requests": []}' * 200


def post(dashboard: Dashboard, wire: WireServer, script: Script) -> tuple[Answer, float]:
    """Post once, answered by ``script``; returns the outcome and the duration."""
    over = wire.put(script)
    began = time.monotonic()
    answer = dashboard.post(BODY, message_id="7f9e7c5a", issue="1")
    took = time.monotonic() - began
    assert over.wait(60)
    return answer, took


@pytest.mark.parametrize("generate", QUICK, ids=lambda generate: generate.__name__)
def test_every_answer_has_a_named_outcome(client: Client, wire: WireServer, generate: Generator) -> None:
    """Never an exception, and ``delivered`` only for a 2xx JSON object that does not say ``success: false``."""
    dashboard = client(wire.port)
    outcomes: Counter[Outcome] = Counter()
    for number in range(EACH):
        script = generate(random.Random(f"{generate.__name__} {number}"))
        answer, _ = post(dashboard, wire, script)
        outcomes[answer.outcome] += 1
        assert (answer.outcome is Outcome.DELIVERED) == script.success, (number, script, answer)
        _check_what_is_kept(answer)
    assert outcomes.total() == EACH


@pytest.mark.parametrize("number", range(8))
def test_ten_megabytes_end_soon(client: Client, wire: WireServer, number: int) -> None:
    """An answer of 10 MB is neither read completely nor kept."""
    answer, _ = post(client(wire.port), wire, answers.large(random.Random(number)))
    assert answer.outcome is not Outcome.DELIVERED
    _check_what_is_kept(answer)


@pytest.mark.parametrize("pause", [0.0, 0.1])
@pytest.mark.parametrize("what", answers.drips())
def test_read_timeout_bounds_the_whole_answer(client: Client, wire: WireServer, what: str, pause: float) -> None:
    """An answer that arrives byte by byte, header by header, or as endless ``100 Continue``, still times out."""
    start, drop = answers.drips()[what]
    answer, took = post(client(wire.port, settings=IMPATIENT), wire, answers.dripping(start, drop, pause))
    assert answer.outcome in (Outcome.UNKNOWN, Outcome.TRANSIENT, Outcome.REFUSED)
    assert took < IN_TIME, answer
    _check_what_is_kept(answer)


@pytest.mark.parametrize("number", range(6))
def test_silence_ends_by_read_timeout(client: Client, wire: WireServer, number: int) -> None:
    """An answer that stops midway times out."""
    impatient = client(wire.port, settings={"read_timeout": "0.5"})  # and connects in its time: the call has to arrive
    answer, took = post(impatient, wire, answers.silent(random.Random(number)))
    assert answer.outcome is Outcome.UNKNOWN
    assert took < IN_TIME


def test_a_good_answer_after_a_bad_one_counts(client: Client, wire: WireServer) -> None:
    """A good answer counts, whatever a previous answer left in the connection."""
    dashboard = client(wire.port)
    for number in range(60):
        rng = random.Random(number)
        post(dashboard, wire, rng.choice(QUICK)(rng))
        answer, _ = post(dashboard, wire, answers.good(rng))
        assert answer.outcome is Outcome.DELIVERED


#: Posts ten times, to be answered by 10 MB each, and prints the growth of peak memory in kilobytes.
_MEASURE = """
    import json, logging, os, resource, sys
    from datetime import datetime, timezone
    logging.disable(logging.CRITICAL)
    port = int(sys.argv[1])
    os.environ["AIRFLOW_CONN_TABLERO_API"] = json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": port})
    from tablero.dashboard.client import Dashboard
    from tablero.settings import Settings
    dashboard = Dashboard(Settings.read({"xroad_client": "DO/GOB/I/S"}), clock=lambda: datetime.now(timezone.utc))
    used = []
    for number in range(12):
        dashboard.post(b"{}", message_id="7f9e7c5a", issue="1")
        used.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print(used[-1] - used[1])
"""


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_memory_does_not_grow_with_the_answer(wire: WireServer, kind: str) -> None:
    """Neither 10 MB of text nor a gzip bomb of 20 MB increases the client's memory by a megabyte."""
    for _ in range(12):
        if kind == "plain":
            script = Script("large", [answers.answer(b"", Content_Length="10000000"), *[b" " * 65536] * 152])
        else:
            script = Script("bomb", [answers.answer(answers.BOMB, Content_Encoding="gzip")])
        wire.put(script)
    gc.collect()
    code = textwrap.dedent(_MEASURE)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "plugins")}
    run = subprocess.run(
        [sys.executable, "-c", code, str(wire.port)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) < 1024


def _check_what_is_kept(answer: Answer) -> None:
    """Everything kept of an answer can be stored and shown: short, one line, UTF-8."""
    for text in (answer.message, answer.error, answer.xroad_error, answer.xroad_detail, answer.xroad_request_id):
        if text is not None:
            assert len(text) <= 2 * MAX_KEPT
            assert text.encode() is not None
            assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in text)
    assert answer.retry_after is None or 0 <= answer.retry_after < float("inf")
    assert all(0 <= position < 10_000 for position in answer.named)
