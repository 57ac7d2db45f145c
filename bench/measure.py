"""What a contender says of its run: one line of JSON on its standard output."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

#: Entries of a call, for every contender: the most that the dashboard takes.
BATCH = 1000

#: Calls in flight, for those who can have several.
IN_FLIGHT = 8


def arguments(**more: Callable[[str], Any]) -> argparse.Namespace:
    """Where things are: ``--source`` and ``--outbox`` (databases), ``--sink`` (the call). All of them URLs.

    :param more: arguments that may be left out, and what reads them.
    """
    parser = argparse.ArgumentParser()
    for name in ("source", "outbox", "sink"):
        parser.add_argument(f"--{name}", required=True)
    for name, read in more.items():
        parser.add_argument(f"--{name}", type=read)
    return parser.parse_args()


def peak() -> float:
    """Most memory that this process has had, in MiB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 if sys.platform != "darwin" else 1024 * 1024)


def cpu() -> float:
    """Seconds of CPU that this process and those of its children that have ended have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measured(send: Callable[[], int]) -> None:
    """Run ``send``, which returns how many rows it sent, and print what it took; imports are made before."""
    idle, used, began = peak(), cpu(), time.monotonic()
    rows = send()
    say(rows, seconds=time.monotonic() - began, cpu=cpu() - used, peak=peak() - idle)


def say(rows: int, *, seconds: float, cpu: float, peak: float) -> None:
    """Print the line.

    :param seconds: of the clock on the wall.
    :param cpu: seconds of CPU of all its processes together.
    :param peak: most memory above the idle process, in MiB, of all its processes together.
    """
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "peak": peak}))
