"""The commands in the documents, run unchanged in the order of an incident."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from sandbox.testing import running_sandbox
from tests.airflow.institution import Change, Institution
from tests.guides.blocks import blocks, commands
from tests.guides.shell import Shell
from tests.postgres import PostgresServer, programs

pytestmark = pytest.mark.system

ZONE = ZoneInfo("America/Santo_Domingo")

#: The number of rows up to the day until which docs/operations.md adopts.
ROWS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as found:
        yield found


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Two months of an institution, and a row that it must correct; nothing was sent yet."""
    folder = tmp_path_factory.mktemp("institution")
    institution = Institution(folder / "institution.db", ZONE)
    institution.month("", "2026-09", rows=ROWS // 2)
    institution.month("", "2026-10", rows=ROWS // 2 - 1)
    institution.commit([Change("REQ-77", datetime(2026, 10, 5, 15, tzinfo=timezone.utc))])
    institution.commit([Change("LCM-9", datetime(2026, 10, 6, 15, tzinfo=timezone.utc), status=99)])
    with running_sandbox(folder / "sandbox.db") as sandbox:
        yield Shell(tmp_path_factory.mktemp("shell"), source=institution.path, dashboard=sandbox.url, programs=programs())


@pytest.fixture(scope="module")
def adopted(shell: Shell) -> Shell:
    """An outbox rebuilt as in docs/operations.md."""
    show, do, _ = commands("docs/operations.md", "If the outbox is lost")
    assert str(ROWS) in shell.succeed(show)
    assert not outbox(shell).exists() or delivered(shell) == 0
    assert f"{ROWS} rows in all" in shell.succeed(do)
    return shell


def outbox(shell: Shell) -> Path:
    return shell.home / "tablero" / "outbox.db"


def delivered(shell: Shell) -> int:
    with closing(sqlite3.connect(outbox(shell))) as connection:
        return int(connection.execute("select coalesce(sum(rows), 0) from batch where state = 'delivered'").fetchone()[0])


def test_checking(shell: Shell) -> None:
    """README.md, docs/dba.md and docs/operations.md: the check prints a line for each item, and all is well."""
    (command,) = {text for text in every_command("README.md", "docs/dba.md", "docs/operations.md") if "check" in text}
    lines = shell.succeed(command).splitlines()
    assert lines[0].startswith("[ok] version: tablero ")
    assert len(lines) > 8
    assert {line.partition("]")[0] for line in lines} <= {"[ok", "[warning"}


def every_command(*documents: str) -> list[str]:
    """The blocks of one line that begin with the program's name."""
    texts = (block.text for document in documents for block in blocks(document, language="sh"))
    return [text for text in texts if text.startswith("tablero check")]


def test_a_lost_outbox(adopted: Shell) -> None:
    """docs/operations.md: all rows up to the day count as delivered, and repeating it, or for the last days only, adds none."""
    assert delivered(adopted) == ROWS
    *_, since = commands("docs/operations.md", "If the outbox is lost")
    adopted.succeed(since)
    assert delivered(adopted) == ROWS


def test_asking(adopted: Shell) -> None:
    """docs/commands.md: each command answers, and files have the right contents."""
    (block,) = blocks("docs/commands.md", "Command line and monitors", "sh")
    said = adopted.type(block.text.replace("tablero status --json\n", ""))
    assert said.status == 0, said
    assert re.search(r'"request_id":\s*"REQ-77".*"state":\s*"delivered"', said.output)
    assert "xroad_client = " in said.output
    assert len((adopted.folder / "october.csv").read_text().splitlines()) == 1 + ROWS // 2
    assert "reason" in (adopted.folder / "rejections.csv").read_text() or not (adopted.folder / "rejections.csv").read_text()
    assert orjson.loads(adopted.type("tablero status --json").output)["totals"]["delivered"] == ROWS


def test_monitors(adopted: Shell) -> None:
    """docs/commands.md: the script gives a monitor Airflow's environment; cron, Nagios and Zabbix get line and exit status."""
    script, cron, nagios, zabbix = (block.text.strip() for block in blocks("docs/commands.md", "Is all well?"))
    file = adopted.place("/usr/local/bin/tablero-status")
    file.write_text(adopted.localised(f"{script}\n"))
    file.chmod(0o755)
    lines = [f"{name}='{value}'" for name, value in adopted.variables.items() if name not in ("PATH", "PYTHONPATH")]
    adopted.place("/etc/default/airflow").write_text("\n".join(lines))
    mail = file.with_name("mail")
    mail.write_text(f'#!/bin/sh\nprintf "%s: " "$*" > "{file.parent}/sent"\ncat >> "{file.parent}/sent"\n')
    mail.chmod(0o755)
    # Monitors run as users of their own; here there is only one.
    sudo = file.with_name("sudo")
    sudo.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    sudo.chmod(0o755)
    bare = {"PATH": f"{file.parent}{os.pathsep}/usr/bin:/bin", "AIRFLOW_HOME": ""}

    adopted.type(cron.split("  ", 1)[1], **bare)
    said = adopted.type(nagios.partition("=")[2], **bare)
    answer = adopted.type(zabbix.partition(",")[2], **bare)
    assert said.status in (1, 2), "nothing was ever sent here, and one row is wrong"
    assert said.output.startswith("TABLERO ")
    sent = (file.parent / "sent").read_text()
    assert sent == f"-s Tablero operations@example.gob.do: {said.output}"
    assert orjson.loads(answer.output)["totals"]["delivered"] == ROWS
    assert answer.status == said.status


def test_one_batch(adopted: Shell) -> None:
    """docs/runs.md: rows of a pending batch that would count as delivered are shown, and with ``--yes`` they count."""
    (command,) = commands("docs/runs.md", "What counts as delivered")
    with closing(sqlite3.connect(outbox(adopted))) as connection:
        identity, rows = connection.execute("select id, rows from batch limit 1").fetchone()
        connection.execute(
            "update batch set state = 'pending', settled_at = null, settled_how = null where id = ?", (identity,)
        )
        connection.commit()
    asked = command.replace("17", str(identity)).strip()
    assert f"{rows} rows of batch {identity}" in adopted.succeed(asked)
    assert delivered(adopted) == ROWS - rows
    adopted.succeed(f"{asked} --yes")
    assert delivered(adopted) == ROWS


def test_a_backup_of_sqlite(adopted: Shell) -> None:
    """docs/operations.md: SQLite is backed up while in use, by the program and by Python, and restored."""
    program, python, _, restore, _ = commands("docs/operations.md", "Backup and restore of the outbox")
    backup = adopted.place("/var/backups/tablero-outbox.db")
    for command in (program, python):
        backup.unlink(missing_ok=True)
        with closing(sqlite3.connect(outbox(adopted))) as reader:
            reader.execute("begin").execute("select 1 from batch").fetchone()
            adopted.succeed(command)
        outbox(adopted).write_bytes(b"lost")
        adopted.succeed(restore)
        assert delivered(adopted) == ROWS


def test_moving_to_postgresql_and_a_backup_there(adopted: Shell, server: PostgresServer) -> None:
    """docs/operations.md: every table is moved, and a backup of the new outbox answers as the old one did."""
    database = server.database()
    adopted.on(database)
    (move,) = commands("docs/operations.md", "Scaling out")
    assert f"batch: {delivered_batches(adopted)} rows" in adopted.succeed(move)

    *_, back_up, _, restore = commands("docs/operations.md", "Backup and restore of the outbox")
    address = back_up.splitlines()[0]
    url = adopted.localised(address).partition("=")[2].strip("'")
    adopted.succeed(back_up)
    adopted.succeed(f"{address}\npsql --quiet \"$OUTBOX\" --command 'delete from batch'")
    adopted.succeed(f"{address}\n{restore}")
    answer = adopted.type("tablero status --json", AIRFLOW_CONN_TABLERO_OUTBOX=url)
    assert orjson.loads(answer.output)["totals"]["delivered"] == ROWS


def delivered_batches(shell: Shell) -> int:
    with closing(sqlite3.connect(outbox(shell))) as connection:
        return int(connection.execute("select count(*) from batch").fetchone()[0])
