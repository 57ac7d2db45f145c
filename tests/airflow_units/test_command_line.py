"""``python -m tablero``: output for people, and an exit status for scripts."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from argparse import Namespace
from contextlib import closing
from functools import cache
from pathlib import Path

import orjson
import pytest
import tablero
from airflow.exceptions import AirflowConfigException
from pytest_mock import MockerFixture
from tablero.airflow import configuration
from tablero.command_line import outbox
from tablero.contract.windows import NO_DATE
from tablero.outbox.engine import to_microseconds
from tablero.web import status

from tests.airflow_units.loaded import Loaded

ROOT = Path(__file__).resolve().parents[2]

#: Two changes, in January and in February 2020.
ROWS = [
    ("1041", "LCM-1", "2020-01-10 08:00:00", 1, "2020-01-10 08:00:00"),
    ("1041", "LCM-1", "2020-01-10 08:00:00", 7, "2020-02-14 09:30:00"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of Airflow, the same for all tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def source(home: Path) -> Path:
    """An institution's database in an empty home of Airflow."""
    shutil.rmtree(home)
    home.mkdir()
    return institution(home)


def institution(folder: Path) -> Path:
    """A database with :data:`ROWS`."""
    path = folder / "institution.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "create table tablero_status_changes (service_id, request_id, opening_date, status_id, last_modified_date)"
        )
        connection.executemany("insert into tablero_status_changes values (?, ?, ?, ?, ?)", ROWS)
        connection.commit()
    return path


@cache
def loaded(home: Path) -> Loaded:
    """A process that has loaded Airflow in this home."""
    return Loaded(environment(home / "institution.db"))


def run(source: Path, *words: str, **named: str) -> subprocess.CompletedProcess[str]:
    """Run a command in Airflow's environment, where all is loaded; there is no dashboard."""
    return loaded(source.parent).run(words, {**environment(source), **named})


def run_anew(source: Path, *words: str, **named: str) -> subprocess.CompletedProcess[str]:
    """Run a command as in a shell, for what depends on how Python and Airflow start."""
    encoding = named.get("PYTHONIOENCODING", "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "tablero", *words],
        env={**environment(source), **named},
        capture_output=True,
        encoding=encoding,
        check=False,
    )


def environment(source: Path) -> dict[str, str]:
    """That of Airflow, without what this shell has set of it."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PYTHONPATH": str(ROOT / "plugins"),
        "AIRFLOW_HOME": str(source.parent),
        "AIRFLOW_CONN_TABLERO_SOURCE": f"sqlite:///{source}",
        "AIRFLOW_CONN_TABLERO_API": "http://127.0.0.1:1",
        "AIRFLOW_CONN_TABLERO_OUTBOX": f"sqlite:///{source.parent}/outbox.db",
        "AIRFLOW__TABLERO__API_PATH": "/api/load",
    }


def delivered(source: Path) -> list[tuple[str, str]]:
    """What the outbox counts as delivered: the message and the run of each batch's attempt."""
    with closing(sqlite3.connect(source.parent / "outbox.db")) as connection:
        return connection.execute(
            "select a.message, a.run_id from batch b join attempt a on a.batch_id = b.id where b.state = 'delivered'"
        ).fetchall()


def test_the_checks_are_lines_for_people(source: Path) -> None:
    """The findings are printed without the time, level and location that Airflow's logs have."""
    done = run_anew(source, "check")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"[ok] version: tablero {tablero.__version__}, apache-airflow ")
    assert lines[1].startswith("[ok] source: columnas: service_id")
    assert any(line.startswith("[ok] source sample: 2 filas") for line in lines)
    assert any(line.startswith("[failed] dashboard: ") for line in lines)
    assert all(line.startswith("[") for line in lines)
    assert "1 check failed:\n[failed] dashboard" in done.stderr
    assert done.returncode == 1


def test_a_wrong_setting(source: Path) -> None:
    """A wrong setting is named without a traceback; the check is the default command."""
    done = run(source, AIRFLOW__TABLERO__BATCH_SIZE="many")
    assert done.stderr.startswith("[tablero] batch_size = 'many' (AIRFLOW__TABLERO__BATCH_SIZE)")
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_adopt_only_shows_unless_confirmed(source: Path) -> None:
    """Without confirmation ``adopt`` writes nothing, and does not even create the outbox."""
    done = run(source, "adopt", "--until", "2020-12-31")
    assert "2 rows would be counted as delivered; nothing was written" in done.stdout
    assert done.returncode == 0
    assert not (source.parent / "outbox.db").exists()


def test_adopt(source: Path) -> None:
    """``adopt`` proceeds month by month, and the next check finds the outbox bound to the dashboard."""
    done = run(source, "adopt", "--until", "2020-01-31", "--yes")
    assert "2020-01: 1 fila dada por entregada / 2020-01: 1 row counted as delivered" in done.stdout.splitlines()
    assert all(" / " in line for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr
    ((message, run_id),) = delivered(source)
    assert "nothing was posted" in message
    assert run_id in done.stdout
    moved = run(source, AIRFLOW_CONN_TABLERO_API="http://127.0.0.2:1")
    assert "This outbox delivers to 127.0.0.1:1/api/load" in moved.stdout


def test_adopt_of_a_day_that_has_not_ended(source: Path) -> None:
    """``adopt`` refuses a day that has not ended."""
    done = run(source, "adopt", "--until", "2999-01-01", "--yes")
    assert "--until is 2999-01-01" in done.stderr
    assert done.returncode == 1
    assert not (source.parent / "outbox.db").exists()


@pytest.mark.parametrize("words", [["adopt"], ["adopt", "--until", "yesterday"], ["adpot"]])
def test_commands_that_are_none(source: Path, words: list[str]) -> None:
    """Unknown commands end with the usual exit status."""
    assert run(source, *words).returncode == 2


# -- queries ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adopted_outbox(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of an outbox in which all of January and February 2020 counts as delivered."""
    source = institution(tmp_path_factory.mktemp("adopted"))
    done = run_anew(source, "adopt", "--until", "2020-02-29", "--yes")
    assert done.returncode == 0, done.stderr
    return (source.parent / "outbox.db").read_bytes()


@pytest.fixture
def adopted(source: Path, adopted_outbox: bytes) -> Path:
    """An institution with a copy of that outbox."""
    (source.parent / "outbox.db").write_bytes(adopted_outbox)
    return source


def test_status_before_anything_has_run(source: Path) -> None:
    """Before the first run the status is unknown, and asking for it creates no outbox."""
    done = run(source, "status")
    assert done.returncode == 3
    assert "DESCONOCIDO" in done.stdout
    assert not (source.parent / "outbox.db").exists()


def test_status_for_machines(adopted: Path) -> None:
    """The JSON has the keys that monitors rely on; years that were never read are late."""
    done = run(adopted, "status", "--json")
    found = orjson.loads(done.stdout)
    said = ["state", "settled_until", "open_windows", "gaps", "totals", "last_delivery", "view_count"]
    assert list(found) == [*said, "failing", "degraded", "why", "version"]
    assert (found["state"], done.returncode) == ("late", 2)
    assert list(found["totals"]) == ["read", "delivered", "rejected", "excluded", "duplicates", "pending"]
    assert found["totals"]["read"] == found["totals"]["delivered"] == 2
    assert "2020-03" in found["gaps"]


def test_what_airflow_prints_is_not_in_the_answer(adopted: Path) -> None:
    """An institution's own settings, a plugin or a warning may print while Airflow loads; monitors parse standard output."""
    (adopted.parent / "config").mkdir()
    (adopted.parent / "config" / "airflow_local_settings.py").write_text("print('noise of the institution')\n")
    done = run_anew(adopted, "status", "--json")
    assert "noise of the institution" in done.stderr
    assert orjson.loads(done.stdout)["state"] == "late"


def test_status_in_a_line(adopted: Path) -> None:
    """For people the status is one line, in both languages."""
    done = run_anew(adopted, "status")
    assert len(done.stdout.splitlines()) == 1
    assert "ATRASADO" in done.stdout
    assert "LATE" in done.stdout
    assert done.stdout.endswith(f"tablero {tablero.__version__}\n")


def test_status_without_settings_or_outbox(source: Path) -> None:
    """A monitor gets an answer without a traceback, whatever is wrong."""
    for broken in (
        {"AIRFLOW__TABLERO__BATCH_SIZE": "many"},
        {"AIRFLOW_CONN_TABLERO_OUTBOX": "postgresql://nobody@127.0.0.1:1/x"},
    ):
        done = run(source, "status", **broken)
        assert (done.returncode, done.stderr) == (3, "")
        assert "DESCONOCIDO" in done.stdout


@pytest.mark.parametrize(
    "error", [PermissionError(13, "no permission", "/opt/airflow"), AirflowConfigException("no such secrets backend")]
)
def test_status_after_an_error_that_nobody_expected(
    error: Exception, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected error means an unknown status, not *degraded* (1, like any failed program); one line gives the cause."""
    mocker.patch.object(configuration, "outbox_url", side_effect=error)
    assert outbox.status(Namespace(json=False)) == 3
    (line,) = capsys.readouterr().out.splitlines()
    assert "DESCONOCIDO" in line
    assert line.endswith(f"{type(error).__name__}: {error}")
    assert outbox.status(Namespace(json=True)) == 3
    found = orjson.loads(capsys.readouterr().out)
    assert (found["state"], found["why"]["en"]) == ("unknown", f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_that_lacks_characters(adopted: Path, encoding: str) -> None:
    """In the locale of a cron job the answer keeps its exit status, and JSON can be read."""
    with closing(sqlite3.connect(adopted)) as connection, connection:
        connection.execute("insert into tablero_status_changes values ('1041', 'Ñ-–1', '2020-01-10', 2, '2020-01-12 08:00:00')")
    run(adopted, "adopt", "--until", "2020-01-31", "--yes")
    said = run_anew(adopted, "status", PYTHONIOENCODING=encoding)
    assert (said.returncode, said.stderr) == (2, "")
    (line,) = run_anew(adopted, "rows", "--request", "Ñ-–1", PYTHONIOENCODING=encoding).stdout.splitlines()
    assert orjson.loads(line)["request_id"] == "Ñ-–1"
    helped = run_anew(adopted, "--help", PYTHONIOENCODING=encoding)
    assert (helped.returncode, helped.stderr) == (0, "")


@pytest.mark.parametrize(("words", "status"), [(["rejections", "--csv"], 0), (["status"], 2)])
def test_a_reader_that_has_gone(adopted: Path, words: list[str], status: int) -> None:
    """A pipe that nobody reads ends a command without a word, with the exit status that it has otherwise."""
    command = [sys.executable, "-m", "tablero", *words]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, env=environment(adopted), check=False)
    assert (done.returncode, done.stderr) == (status, b"")


def test_status_does_not_quote_a_row(adopted: Path, mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an error while rows are read, the class and the line that raised it are named, but not its words."""
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_OUTBOX", f"sqlite:///{adopted.parent}/outbox.db")
    mocker.patch.object(status, "survey", side_effect=KeyError("402-1234567-8"))
    said = mocker.patch.object(outbox, "say")
    assert outbox.status(Namespace(json=False)) == 3
    ((line,),) = (call.args for call in said.call_args_list)
    assert "unexpected error, KeyError (" in line.en
    assert "402-1234567-8" not in str(line)


def test_rows_of_a_request(adopted: Path) -> None:
    """The rows of a request are listed in order of time, in the dashboard's form, with the state of each."""
    lines = [orjson.loads(line) for line in run(adopted, "rows", "--request", "LCM-1").stdout.splitlines()]
    assert [(line["status_id"], line["state"]) for line in lines] == [(1, "delivered"), (7, "delivered")]
    assert lines[0]["last_modified_date"] == "2020-01-10T12:00:00Z"
    assert run(adopted, "rows", "--request", "unknown").stdout == ""
    assert len(run(adopted, "rows", "--request", " LCM-1 ").stdout.splitlines()) == 2


def test_rows_of_a_month_and_of_a_batch(adopted: Path) -> None:
    """Rows can be printed as CSV, each with its batch."""
    heading, row = run(adopted, "rows", "--month", "2020-02", "--csv").stdout.splitlines()
    assert heading.startswith("service_id,request_id,opening_date,status_id,last_modified_date,state,batch,")
    assert row.startswith("1041,LCM-1,2020-01-10T12:00:00Z,7,2020-02-14T13:30:00Z,delivered,")
    number = row.split(",")[6]
    (line,) = run(adopted, "rows", "--batch", number).stdout.splitlines()
    assert orjson.loads(line)["status_id"] == 7


def test_rows_of_what_there_is_not(adopted: Path) -> None:
    """Unknown requests, months and batches are reported in words, without a traceback."""
    for words, expected in (
        (("--batch", "999"), "999"),
        (("--month", "2020-2"), "2020-2"),
        (("--month", "9999-12"), "9999-12"),
    ):
        done = run(adopted, "rows", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert expected in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("rows", "--request", "LCM-1"), ("rows", "--batch", "1"), ("rejections",)])
def test_an_outbox_that_is_not_there_is_an_error_and_not_an_empty_answer(source: Path, words: tuple[str, ...]) -> None:
    """A missing outbox is an error that names its location, since no rows would mean that nothing was sent; none is created."""
    done = run(source, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(source.parent / "outbox.db") in done.stderr
    assert not (source.parent / "outbox.db").exists()


def test_a_reason_that_there_is_not(adopted: Path) -> None:
    """A misspelt reason is an error that names the existing ones."""
    done = run(adopted, "rejections", "--reason", "unknown_state")
    assert (done.returncode, done.stdout) == (1, "")
    assert "unknown_status" in done.stderr


def test_rejections(source: Path) -> None:
    """Rejections are listed with their reasons and original values; values that look like formulas are quoted."""
    with closing(sqlite3.connect(source)) as connection:
        connection.execute(
            "insert into tablero_status_changes values (?, ?, ?, ?, ?)",
            ("=1+1", "LCM-2", "2020-01-10 08:00:00", 99, "2020-01-11 08:00:00"),
        )
        connection.commit()
    run(source, "adopt", "--until", "2020-01-31", "--yes")
    (line,) = run(source, "rejections").stdout.splitlines()
    found = orjson.loads(line)
    assert (found["reason"], found["service_id"], found["status_id"]) == ("unknown_status", "=1+1", "99")
    assert "'=1+1" in run(source, "rejections", "--csv").stdout
    assert run(source, "rejections", "--month", "2020-02").stdout == ""


def test_rejections_without_a_date(source: Path) -> None:
    """Rows without a date can be listed by themselves, and have no instant of change."""
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("insert into tablero_status_changes values ('1041', 'LCM-3', '2020-01-10', 99, '2020-01-11')")
        connection.commit()
    run(source, "adopt", "--until", "2020-01-31", "--yes")
    with closing(sqlite3.connect(source.parent / "outbox.db")) as connection:
        connection.execute("update rejection set changed_at = ?", [to_microseconds(NO_DATE)])
        connection.commit()
    (line,) = run(source, "rejections", "--month", "undated").stdout.splitlines()
    assert (orjson.loads(line)["request_id"], orjson.loads(line)["changed_at"]) == ("LCM-3", None)


def test_settings(source: Path) -> None:
    """Settings are listed with their values and origins."""
    done = run(source, "settings", "--json")
    rows = {row["key"]: row for row in orjson.loads(done.stdout)}
    assert rows["api_path"] == {"key": "api_path", "value": "/api/load", "origin": "AIRFLOW__TABLERO__API_PATH"}
    assert rows["daily_at"] == {"key": "daily_at", "value": "02:00", "origin": "default"}
    assert rows["timezone"]["value"] == "America/Santo_Domingo"
    assert "daily_at = 02:00  (valor por omisión / default)" in run(source, "settings").stdout.splitlines()


@pytest.mark.parametrize("suffix", ["CMD", "SECRET"])
def test_a_setting_from_a_command_or_a_secret_is_refused(source: Path, suffix: str) -> None:
    """Airflow would ignore the variable, so that no alerts are sent: the error names it, and the one to use instead."""
    done = run(source, "settings", **{f"AIRFLOW__TABLERO__ALERT_EMAILS_{suffix}": "echo guardia@inst.gob.do"})
    assert (done.returncode, done.stdout) == (1, "")
    assert f"(AIRFLOW__TABLERO__ALERT_EMAILS_{suffix})" in done.stderr
    assert "Put the value into AIRFLOW__TABLERO__ALERT_EMAILS." in done.stderr
    assert "guardia" not in done.stderr
    assert "Traceback" not in done.stderr


def test_dags(source: Path, tmp_path: Path) -> None:
    """The two DAG files are copied unchanged, also into a new folder; repeating it changes nothing."""
    folder = tmp_path / "home" / "dags"
    for _ in range(2):
        assert run(source, "dags", "--to", str(folder)).returncode == 0
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {name: (ROOT / "dags" / name).read_text() for name in ("daily_send.py", "historical_load.py")}


def test_dags_of_an_older_version(source: Path, tmp_path: Path) -> None:
    """Older DAG files are replaced, and the previous ones, perhaps edited, are kept beside them."""
    (tmp_path / "daily_send.py").write_text("older")
    done = run(source, "dags", "--to", str(tmp_path))
    assert done.returncode == 0
    assert "daily_send.py.before" in done.stdout
    assert (tmp_path / "daily_send.py").read_text() == (ROOT / "dags" / "daily_send.py").read_text()
    assert (tmp_path / "daily_send.py.before").read_text() == "older"
    (tmp_path / "daily_send.py").write_text("edited")
    assert "daily_send.py.before.2" in run(source, "dags", "--to", str(tmp_path)).stdout
    assert (tmp_path / "daily_send.py.before").read_text() == "older"
    assert (tmp_path / "daily_send.py.before.2").read_text() == "edited"


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/nothing"])
def test_dags_into_what_is_no_folder(source: Path, tmp_path: Path, folder: str) -> None:
    """A folder that cannot be written is an error in one sentence."""
    (tmp_path / "file").touch()
    done = run(source, "dags", "--to", str(tmp_path / folder))
    assert done.returncode == 1
    assert f"{tmp_path / folder} cannot be written: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_edited_dag_file_that_is_not_utf_8(source: Path, tmp_path: Path) -> None:
    """It is kept as it is, whatever its encoding."""
    edited = "# Dirección\n".encode("latin-1")
    (tmp_path / "daily_send.py").write_bytes(edited)
    assert run(source, "dags", "--to", str(tmp_path)).returncode == 0
    assert (tmp_path / "daily_send.py.before").read_bytes() == edited


def test_a_dag_file_of_another_version(source: Path) -> None:
    """The check names the DAG file that is not of this package, and how to replace it; a folder without any is none."""
    folder = source.parent / "dags"
    assert "DAG" not in run(source, "check").stdout
    run(source, "dags", "--to", str(folder))
    assert "DAG" not in run(source, "check").stdout
    (folder / "daily_send.py").write_text("from tablero.gone import Gone\n")
    (line,) = [line for line in run(source, "check").stdout.splitlines() if "DAG" in line]
    assert line.startswith(f"[warning] DAG: {folder / 'daily_send.py'} no es")
    assert line.endswith(f"tablero dags --to {folder}")


def test_a_copy_of_another_version_in_the_plugins_folder(source: Path) -> None:
    """The check stops with both places: Airflow would load that copy's plugin with the modules of this package."""
    plugins = source.parent / "plugins"
    plugins.mkdir()
    (plugins / "tablero_plugin.py").touch()
    done = run(source, "check")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"and 0.1 in {plugins / 'tablero'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_and_help(source: Path) -> None:
    """Every command has help in both languages."""
    assert run_anew(source, "version").stdout.startswith("tablero ")
    help_text = run_anew(source, "--help").stdout
    assert all(name in help_text for name in ("check", "status", "settings", "rows", "rejections", "adopt", "dags", "version"))
    assert "is all well?" in help_text
    assert "¿está todo bien?" in help_text


def test_move(source: Path, tmp_path: Path) -> None:
    """The outbox can be moved to the database of another connection, and stays the same."""
    run(source, "adopt", "--until", "2020-03-31", "--yes")
    target = f"sqlite:///{tmp_path / 'moved.db'}"
    moved = run(source, "move", "--to", "tablero_new_outbox", AIRFLOW_CONN_TABLERO_NEW_OUTBOX=target)
    assert moved.returncode == 0, moved.stderr
    assert "same in both" in moved.stdout
    missing = run(source, "move", "--to", "tablero_nowhere")
    assert missing.returncode == 1
    assert "tablero_nowhere" in missing.stderr
