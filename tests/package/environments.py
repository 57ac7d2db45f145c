"""Environments of other Airflows, made by uv in seconds where the registry is near."""

from __future__ import annotations

import sys
from pathlib import Path

#: The program that belongs to the Python that runs the tests.
UV = Path(sys.executable).with_name("uv")
