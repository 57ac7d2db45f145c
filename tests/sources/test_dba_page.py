"""Every statement of the page for DBAs is run unchanged, and the resulting view gives what the page promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.reasons import Reason
from tablero.contract.rules import Rejected, validator
from tablero.contract.status_change import StatusChange
from tablero.errors import SetupError
from tablero.source.reader import Source

from tests.integration.samples import FEBRUARY, NOW, ZONE, counted
from tests.sources.institutions import HISTORY, SERVICES, VALID, Institution, institution

DOCS = Path(__file__).resolve().parents[2] / "docs"
ENGLISH, SPANISH = "dba.md", "dba.es.md"

VIEW = "tablero_status_changes"

#: PostgreSQL also as institutions here install it, in Spanish.
SERVERS = ["sqlite", "postgresql", *(pytest.param(kind, marks=pytest.mark.system) for kind in ("spanish", "mariadb"))]

#: Marks blocks that no test runs.
NOT_RUN = {"sqlserver", "oracle"}

Block = tuple[str, str, str]


def blocks(page: str = ENGLISH) -> list[Block]:
    """Kind of database, name and text of each SQL block."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```sql (\w+) ?([\w-]*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def block(kind: str, name: str) -> str:
    """The block for this kind of database, or for all of them."""
    (text,) = [text for of, called, text in blocks() if called == name and of in (kind, "all")]
    return text


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Institution]:
    """An empty database of each kind."""
    with institution(request.param, tmp_path, request.getfixturevalue) as found:
        yield found


@pytest.fixture
def engine(place: Institution) -> Iterator[Engine]:
    made = place.engine()
    try:
        yield made
    finally:
        made.dispose()


def type_in(place: Institution, name: str) -> None:
    """Run the block as the DBA copies it from the page."""
    place.run(block(place.kind, name))


def furnish(place: Institution, table: str = "historial_solicitudes") -> None:
    """Create the institution's own tables: services, the page's mapping, and requests."""
    services = "".join(f"INSERT INTO servicios VALUES ({number}, '{code}');\n" for number, code in SERVICES)
    place.run(f"CREATE TABLE servicios (id_servicio integer, codigo_tablero varchar(20));\n{services}")
    type_in(place, "mapping")
    place.run(
        f"CREATE TABLE {table} (no_solicitud varchar(40), id_servicio integer, codigo_estado varchar(10),"
        f" fecha_solicitud {place.timestamp}, fecha_estado {place.timestamp});\n"
    )


def enter(place: Institution, table: str = "historial_solicitudes", rows: list[tuple[object, ...]] | None = None) -> None:
    lines = [f"INSERT INTO {table} VALUES ({', '.join(map(repr, row))});\n" for row in (HISTORY if rows is None else rows)]
    place.run("".join(lines))


def read(engine: Engine, sql: str | None = None) -> tuple[set[tuple[str, int]], list[Reason]]:
    """February 2020 as Tablero reads it: request and status of each valid row, and the reasons for rejecting others."""
    source = Source(engine, table=VIEW, sql=sql, zone=ZONE, day_zone=ZONE)
    source.check()
    validate = validator(zone=ZONE, earliest=datetime(2020, 1, 1, tzinfo=timezone.utc), now=NOW)
    found = [validate(row) for row in source.read(FEBRUARY) if source.holds(FEBRUARY, row[-1])]
    assert source.count([FEBRUARY]) is None if sql else counted(source, FEBRUARY) == len(found)
    valid = [row for row in found if isinstance(row, StatusChange)]
    return (
        {(row.request_id, row.status_id) for row in valid},
        [row.reason for row in found if isinstance(row, Rejected)],
    )


BAD = [Reason.MISSING_SERVICE_ID, Reason.UNKNOWN_STATUS]


def test_the_history_table(place: Institution, engine: Engine) -> None:
    """The history table gives every change; one without a service or a status is reported, not lost."""
    furnish(place)
    enter(place)
    type_in(place, "history")
    valid, rejected = read(engine)
    assert valid == VALID
    assert sorted(rejected, key=str) == sorted(BAD, key=str)


def test_the_current_status(place: Institution, engine: Engine) -> None:
    """The current status gives one row for each request: its last."""
    furnish(place, "solicitudes")
    enter(place, "solicitudes", [HISTORY[2], HISTORY[3]])
    type_in(place, "current")
    assert read(engine) == ({("LCM-1", 14), ("LCM-2", 9)}, [])


def test_the_trigger_that_keeps_a_history(place: Institution, engine: Engine) -> None:
    """The trigger records existing rows, new rows and each change of status, and no other changes. A status that is
    changed and changed back counts as two changes."""
    furnish(place, "solicitudes")
    enter(place, "solicitudes", [HISTORY[0]])
    type_in(place, "history-trigger")
    type_in(place, "history")
    enter(place, "solicitudes", [HISTORY[3]])
    for code, day in (("'REV'", 3), ("NULL", 4), ("NULL", 5), ("'ENT'", 7), ("'ENT'", 8)):
        place.run(
            f"UPDATE solicitudes SET codigo_estado = {code}, fecha_estado = '2020-02-{day:02} 10:00:00'"
            " WHERE no_solicitud = 'LCM-1';\n"
        )
    assert read(engine) == (VALID, [Reason.UNKNOWN_STATUS])
    with engine.connect() as connection:
        changes = sa.text("SELECT codigo_estado FROM historial_solicitudes WHERE no_solicitud = 'LCM-1' ORDER BY fecha_estado")
        assert connection.execute(changes).scalars().all() == ["REC", "REV", None, "ENT"]


def test_the_trigger_refuses_nothing(place: Institution, engine: Engine) -> None:
    """The application may save whatever its own table accepts: missing values are reported as rejected rows."""
    furnish(place, "solicitudes")
    type_in(place, "history-trigger")
    type_in(place, "history")
    place.run("INSERT INTO solicitudes VALUES ('LCM-5', NULL, NULL, NULL, '2020-02-12 09:00:00');\n")
    place.run("INSERT INTO solicitudes VALUES (NULL, NULL, NULL, NULL, NULL);\n")
    assert read(engine) == (set(), [Reason.OPENING_NOT_A_DATE])


def test_codes_that_are_not_mapped(place: Institution, engine: Engine) -> None:
    """The query lists each unmapped code with its number of rows."""
    furnish(place)
    enter(place)
    with engine.connect() as connection:
        query = sa.text(block(place.kind, "unmapped").strip().rstrip(";"))
        assert [tuple(row) for row in connection.execute(query)] == [("XXX", 1)]


def plan_of(place: Institution, engine: Engine, query: str) -> str:
    engine.dispose()  # SQLite would show the plan it made before
    with engine.connect() as connection:
        return str(connection.exec_driver_sql(f"{place.plan} {query}").all())


MONTH = f"SELECT * FROM {VIEW} WHERE last_modified_date >= '2020-02-01' AND last_modified_date < '2020-03-01'"


def many(place: Institution, table: str = "historial_solicitudes") -> None:
    """Enough rows in other months for an index to be used."""
    rows = [
        ("x", 1, "REC", "2020-01-01", f"{year}-{month:02}-{day:02}")
        for year in range(2005, 2020)
        for month in range(1, 13)
        for day in range(1, 29)
    ]
    lines = ", ".join(f"({', '.join(map(repr, row))})" for row in rows)
    place.run(f"INSERT INTO {table} VALUES {lines};\n")
    place.run({"sqlite": "ANALYZE;\n", "postgresql": "ANALYZE;\n", "mariadb": f"ANALYZE TABLE {table};\n"}[place.kind])


def test_the_index(place: Institution, engine: Engine) -> None:
    """Through the view, a month is read by the index."""
    furnish(place)
    type_in(place, "history")
    many(place)
    before = plan_of(place, engine, MONTH)
    type_in(place, "index")
    assert "historial_por_fecha" not in before
    assert "historial_por_fecha" in plan_of(place, engine, MONTH)


def test_the_index_on_text(tmp_path: Path, postgres: object, request: pytest.FixtureRequest) -> None:
    """In PostgreSQL the index on text has byte order, in which text is compared."""
    with institution("postgresql", tmp_path, request.getfixturevalue) as place:
        furnish(place)
        place.run("CREATE TABLE historial_texto AS SELECT * FROM historial_solicitudes;\n")
        place.run("ALTER TABLE historial_texto ALTER fecha_estado TYPE text;\n")
        many(place, "historial_texto")
        type_in(place, "text-index")
        engine = place.engine()
        text = 'fecha_estado COLLATE "C"'
        query = f"SELECT * FROM historial_texto WHERE {text} >= '2020-02-01' AND {text} < '2020-03-01'"
        assert "historial_por_texto" in plan_of(place, engine, query)
        engine.dispose()


@pytest.mark.system
def test_text_by_day_first(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In PostgreSQL, text with the day first is converted in the view: the server's local time becomes the right instant."""
    with institution("spanish", tmp_path, request.getfixturevalue) as place:
        place.run("CREATE TABLE historial_texto (no_solicitud text, fecha_estado text);\n")
        place.run("INSERT INTO historial_texto VALUES ('LCM-1', '05/02/2020 21:30:00');\n")
        type_in(place, "text-dates")
        engine = place.engine()
        found = Source(engine, table=VIEW, sql=None, zone=ZONE, day_zone=ZONE)
        (row,) = found.read(FEBRUARY)
        assert row[-1] == datetime(2020, 2, 6, 1, 30, tzinfo=timezone.utc)
        engine.dispose()


@pytest.mark.system
def test_a_date_made_of_text(tmp_path: Path, mariadb: object, request: pytest.FixtureRequest) -> None:
    """In MariaDB a generated column of the text has an index, and the page's query uses it."""
    with institution("mariadb", tmp_path, request.getfixturevalue) as place:
        place.run("CREATE TABLE historial_texto (no_solicitud varchar(40), fecha_estado varchar(40));\n")
        place.run("INSERT INTO historial_texto VALUES ('LCM-1', '07/02/2020 16:40:00');\n")
        type_in(place, "text-index")
        engine = place.engine()
        sql = block("mariadb", "own-query-text")
        assert read(engine, sql) == ({("LCM-1", 9)}, [])
        plan = plan_of(place, engine, sql.replace(":start", "'2020-02-01'").replace(":end", "'2020-03-01'"))
        assert "historial_por_texto" in plan
        engine.dispose()


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("mariadb", marks=pytest.mark.system)])
def test_the_right_to_read(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    """The page's user can read the view, and nothing else."""
    with institution(kind, tmp_path, request.getfixturevalue) as place:
        furnish(place)
        enter(place)
        type_in(place, "history")
        type_in(place, "grant")
        reader = sa.create_engine(place.as_reader("tablero", "change-me"))
        try:
            assert read(reader)[0] == VALID
            with pytest.raises(SetupError, match=r"denied|lacks the columns"):
                Source(reader, table="historial_solicitudes", sql=None, zone=ZONE, day_zone=ZONE).check()
        finally:
            reader.dispose()
            place.run("DROP OWNED BY tablero;\nDROP ROLE tablero;\n" if kind == "postgresql" else "DROP USER tablero;\n")


def test_the_own_query(place: Institution, engine: Engine) -> None:
    """The own query gives the same rows as the view."""
    furnish(place)
    enter(place)
    assert read(engine, block(place.kind, "own-query"))[0] == VALID


def test_no_block_is_left_out() -> None:
    """Each block is run by a test in this file, or is marked as not run."""
    tested = {"history", "current", "history-trigger", "mapping", "unmapped", "index", "text-index", "grant", "own-query"}
    run = {name for kind, name, _ in blocks() if kind not in NOT_RUN}
    assert run == tested | {"own-query-text", "text-dates"}
    assert {kind for kind, _, _ in blocks()} == {"all", "sqlite", "postgresql", "mariadb"} | NOT_RUN


@pytest.mark.parametrize(("page", "words"), [(ENGLISH, "not run"), (SPANISH, "no ejecutad")])
def test_what_is_not_run_says_so(page: str, words: str) -> None:
    """The paragraph before a block that is not run says so."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for kind in NOT_RUN:
        for before in text.split(f"```sql {kind}\n")[:-1]:
            assert words in before.strip().rpartition("\n\n")[2].lower(), kind


def test_both_languages_have_the_same_blocks() -> None:
    """Code blocks are identical in both languages."""
    fences = [
        re.findall(r"^```.*?^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for page in (ENGLISH, SPANISH)
    ]
    assert fences[0] == fences[1]
    assert len(blocks()) > 10
