"""What pip may install into the image: what the base image has stays as it is, and the rest is as requirements.txt pins it.

Prints constraints for ``pip install --constraint``; its argument is the path of requirements.txt.
"""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path


def main() -> None:
    """Print a line for each package."""
    here = {_normal(found.metadata["name"]): found.version for found in distributions()}
    for name, version in sorted(here.items()):
        sys.stdout.write(f"{name}=={version}\n")
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        pin = re.match(r"([\w.-]+)==", line)
        if pin and _normal(pin[1]) not in here:
            sys.stdout.write(f"{line}\n")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
