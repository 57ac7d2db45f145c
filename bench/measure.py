"""The output of a contender: one line of JSON on standard output."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

#: Entries of a call, for every contender: the maximum that the dashboard accepts.
BATCH = 1000

#: Calls in flight, for contenders that support several.
IN_FLIGHT = 8


def arguments(**more: Callable[[str], Any]) -> argparse.Namespace:
    """The addresses: ``--source`` and ``--outbox`` (databases), ``--sink`` (the call), all of them URLs.

    :param more: optional arguments, and their parsers.
    """
    parser = argparse.ArgumentParser()
    for name in ("source", "outbox", "sink"):
        parser.add_argument(f"--{name}", required=True)
    for name, read in more.items():
        parser.add_argument(f"--{name}", type=read)
    return parser.parse_args()


def peak() -> float:
    """Peak memory of this process, in MiB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 if sys.platform != "darwin" else 1024 * 1024)


def cpu() -> float:
    """Seconds of CPU used by this process and its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measured(send: Callable[[], int]) -> None:
    """Run ``send``, which returns how many rows it sent, and print the measurements; imports happen before."""
    idle, used, began = peak(), cpu(), time.monotonic()
    rows = send()
    say(rows, seconds=time.monotonic() - began, cpu=cpu() - used, peak=peak() - idle)


def say(rows: int, *, seconds: float, cpu: float, peak: float) -> None:
    """Print the line.

    :param seconds: of wall-clock time.
    :param cpu: seconds of CPU of all its processes together.
    :param peak: peak memory above the idle process, in MiB, of all its processes together.
    """
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "peak": peak}))
