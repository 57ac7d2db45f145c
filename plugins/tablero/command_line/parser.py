"""The argument parser, with help in both languages."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from tablero.command_line import installation, outbox, recovery
from tablero.texts import command_line as texts

#: Runs a command and returns its exit status.
Command = Callable[[argparse.Namespace], int]


def build() -> argparse.ArgumentParser:
    """Build the parser. The default command is ``check``."""
    parser = argparse.ArgumentParser(prog="tablero", description=str(texts.DESCRIPTION))
    parser.set_defaults(run=installation.check)
    commands = parser.add_subparsers(dest="command", metavar="{check,status,settings,rows,rejections,adopt,move,dags,version}")

    def add(name: str, run: Command, words: Any) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=str(words), description=str(words))
        command.set_defaults(run=run)
        return command

    add("check", installation.check, texts.CHECK)
    add("status", outbox.status, texts.STATUS).add_argument("--json", action="store_true", help=str(texts.JSON))
    add("settings", installation.settings, texts.SETTINGS).add_argument("--json", action="store_true", help=str(texts.JSON))
    _rows(add("rows", outbox.rows, texts.ROWS))
    _rejections(add("rejections", outbox.rejections, texts.REJECTIONS))
    _adopt(add("adopt", recovery.adopt, texts.ADOPT))
    move = add("move", recovery.move, texts.MOVE)
    move.add_argument("--to", required=True, metavar="CONN_ID", help=str(texts.CONN_ID))
    dags = add("dags", installation.dags, texts.DAGS)
    dags.add_argument("--to", required=True, metavar="FOLDER", help=str(texts.FOLDER))
    add("version", installation.version, texts.VERSION)
    return parser


def _rows(command: argparse.ArgumentParser) -> None:
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--request", metavar="ID", help=str(texts.REQUEST))
    which.add_argument("--month", metavar="YYYY-MM", help=str(texts.MONTH))
    which.add_argument("--batch", metavar="N", type=_batch, help=str(texts.BATCH))
    command.add_argument("--csv", action="store_true", help=str(texts.CSV))


def _rejections(command: argparse.ArgumentParser) -> None:
    command.add_argument("--month", metavar="YYYY-MM", help=str(texts.MONTH_OR_UNDATED))
    command.add_argument("--reason", metavar="CODE", help=str(texts.REASON))
    command.add_argument("--csv", action="store_true", help=str(texts.CSV))


def _adopt(command: argparse.ArgumentParser) -> None:
    day: dict[str, Any] = {"type": _day, "metavar": "YYYY-MM-DD"}
    command.add_argument("--from", dest="first", help=str(texts.FIRST), **day)
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--until", help=str(texts.UNTIL), **day)
    which.add_argument("--batch", metavar="N", type=_batch, help=str(texts.BATCH))
    command.add_argument("--yes", action="store_true", help=str(texts.YES))


def _batch(given: str) -> int:
    """The id of a batch: at most 18 digits, since no database counts further."""
    if not re.fullmatch("[0-9]{1,18}", given.strip()):
        raise argparse.ArgumentTypeError(str(texts.BAD_BATCH(given=given)))
    return int(given)


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise argparse.ArgumentTypeError(str(texts.BAD_DAY(given=given))) from None
