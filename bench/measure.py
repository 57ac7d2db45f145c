"""What a contender says of its run: one line of JSON on its standard output."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable

#: Entries of a call, for every contender: the most that the dashboard takes.
BATCH = 1000

#: Calls in flight, for those who can have several.
IN_FLIGHT = 8


def arguments() -> argparse.Namespace:
    """Where things are: ``--source`` and ``--outbox`` (databases), ``--sink`` (the call). All of them URLs."""
    parser = argparse.ArgumentParser()
    for name in ("source", "outbox", "sink"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def peak() -> float:
    """Most memory that this process has had, in MiB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 if sys.platform != "darwin" else 1024 * 1024)


def measured(send: Callable[[], int]) -> None:
    """Run ``send``, which returns how many rows it sent, and print what it took; imports are made before."""
    idle, began = peak(), time.monotonic()
    rows = send()
    print(json.dumps({"rows": rows, "seconds": time.monotonic() - began, "peak": peak() - idle}))
