"""Commands about the installation and its settings: ``check``, ``settings``, ``dags``, ``version``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from itertools import chain, count
from pathlib import Path

from tablero import __version__
from tablero.command_line.printing import dump, say
from tablero.errors import SetupError
from tablero.texts import command_line as texts


def check(_: argparse.Namespace) -> int:
    """Run the preflight; the first lines say what is installed.

    :raises PermanentError, TransientError: if a check failed; the message lists all that did.
    """
    from tablero.package import supported  # the first to be imported, as in DAG files

    say(f"[ok] version: {', '.join(_versions())}")
    for path in _different(supported.dags_folder()):
        say(f"[warning] DAG: {texts.OTHER_DAG_FILE(path=path, folder=path.parent)}")

    from tablero.airflow import configuration
    from tablero.airflow.runs.checks import inspect_all, require_ready

    require_ready(inspect_all(configuration.read_settings()))
    return 0


def settings(asked: argparse.Namespace) -> int:
    """Print every setting, its value and its origin. No setting is a secret: passwords are in connections."""
    from tablero.airflow import configuration
    from tablero.settings import written

    found = configuration.read_settings()
    rows = [
        {"key": key, "value": written(getattr(found, key)), "origin": configuration.origin_of(key) or "default"}
        for key in type(found).model_fields
    ]
    if asked.json:
        dump(rows)
    else:
        for row in rows:
            where = str(texts.DEFAULT) if row["origin"] == "default" else row["origin"]
            say(f"{row['key']} = {row['value']}  ({where})")
    return 0


def dags(asked: argparse.Namespace) -> int:
    """Write the two DAG files of this package into a folder, which is created if necessary.

    A file that differs, because it is older or was edited, is kept beside the new one under a name that Airflow ignores.

    :raises SetupError: if the folder cannot be made or written.
    """
    folder = Path(asked.to).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted(_dag_folder().glob("*.py")):
            target, content = folder / source.name, source.read_bytes()
            if target.exists() and target.read_bytes() != content:
                kept = target.replace(_free_name(target))
                say(texts.KEPT(path=target, kept=kept.name))
            target.write_bytes(content)
            say(texts.WRITTEN(path=target))
    except OSError as error:
        raise SetupError(texts.NOT_WRITABLE(folder=folder, words=error.strerror or error)) from error
    return 0


def _different(folder: Path) -> Iterator[Path]:
    """The DAG files in a folder that are not those of this package: older, newer, or edited."""
    for source in sorted(_dag_folder().glob("*.py")):
        found = folder / source.name
        if found.is_file() and found.read_bytes() != source.read_bytes():
            yield found


def _free_name(target: Path) -> Path:
    """A name beside ``target`` that Airflow ignores and no file has: an edit that was kept before is never overwritten."""
    names = chain([f"{target.name}.before"], (f"{target.name}.before.{number}" for number in count(2)))
    return next(path for path in map(target.with_name, names) if not path.exists())


def _dag_folder() -> Path:
    """In a wheel, beside the modules; in a checkout, beside ``plugins``."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "dags"
    return installed if installed.is_dir() else package.parents[1] / "dags"


def version(_: argparse.Namespace) -> int:
    """Print the installed versions."""
    for line in _versions():
        say(line)
    return 0


def _versions() -> tuple[str, str]:
    try:
        airflow = version_of("apache-airflow")
    except PackageNotFoundError:
        airflow = "-"
    return f"tablero {__version__}", f"apache-airflow {airflow}"
