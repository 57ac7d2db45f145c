"""A view in PostgreSQL means what its DBA sees in psql, whatever the server's zone, DateStyle and language."""

from __future__ import annotations

import json
import random
from datetime import datetime, timezone
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa
from tablero.contract.rules import validator
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.contract.wire import encode
from tablero.source.reader import Source

from tests.integration.samples import NOW, ZONE
from tests.sources import views
from tests.sources.spanish import Server

pytestmark = pytest.mark.system

VIEW = "tablero_status_changes"
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)
ALL_TIME = Window("month", "all", LONG_AGO, NOW)

#: Seeds of the property test, and views of each: 520 in all.
SEEDS, VIEWS, ROWS = range(26), 20, 12


def source(server: Server, database: str, *, zone: Any = ZONE, table: str = VIEW) -> Source:
    return Source(sa.create_engine(server.address(database)), table=table, sql=None, zone=zone, day_zone=ZONE)


def posted(found: Source, zone: Any) -> dict[str, tuple[str, str]]:
    """Opening and change dates of each request as sent in the call."""
    validate = validator(zone=zone, earliest=LONG_AGO, now=NOW)
    rows = [row for chunk in found.chunks(ALL_TIME) for row in chunk if found.holds(ALL_TIME, row[-1])]
    found.engine.dispose()
    changes = []
    for row in rows:
        # Which of the two dates comes first does not matter here; otherwise the rules would refuse half of the random views.
        service, request, opening, status, changed = row
        for pair in ((opening, opening), (changed, changed)):
            judged = validate((service, request, pair[0], status, pair[1]))
            assert isinstance(judged, StatusChange), (row, judged)
            changes.append(judged)
    sent = json.loads(encode(changes))["requests"]
    return {
        one["request_id"]: (one["opening_date"], other["opening_date"])
        for one, other in zip(sent[::2], sent[1::2], strict=True)
    }


def as_sent(shown: str) -> str:
    """``2024-02-01T01:30:00.500000``, as psql shows it, in the wire form."""
    return shown.removesuffix(".000000") + "Z"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_views_say_what_psql_shows(spanish: Server, seed: int) -> None:
    """Random casts, conversions, unions and text over aware, naive, date and text columns, with a random zone and DateStyle."""
    chance = random.Random(seed)
    zone, style = chance.choice(views.ZONES), chance.choice(views.DATE_STYLES)
    database = spanish.database()
    with spanish.admin() as connection:
        # The server's own zone is another one: the source's zone is what counts.
        connection.exec_driver_sql(f"ALTER DATABASE {database} SET timezone = '{chance.choice(views.ZONES)}'")
        connection.exec_driver_sql(f"ALTER DATABASE {database} SET datestyle = '{style}'")
    names = [f"v{number}" for number in range(VIEWS)]
    statements = [views.view(chance, name) for name in names]
    script = "\n".join([views.TABLE, views.ORDER_OF_TODAY, views.fill(seed, ROWS), *statements])
    spanish.psql(database, script, PGTZ=zone)
    # Text in the server's format would be ambiguous: IST is a zone in India, in Ireland and in Israel.
    shown = spanish.psql(database, f"SET datestyle = 'ISO'; {' UNION ALL '.join(map(views.shown, names))}", PGTZ=zone)
    expected: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in names}
    for name, request, opening, changed in shown:
        expected[name][request] = as_sent(opening), as_sent(changed)
    for name, statement in zip(names, statements, strict=True):
        found = posted(source(spanish, database, zone=pendulum.timezone(zone), table=name), pendulum.timezone(zone))
        assert found == expected[name], f"{statement} (zone {zone}, DateStyle {style})"
        assert len(found) == ROWS


@pytest.mark.parametrize(
    ("expression", "sent"),
    [
        ("('2024-01-31 21:30:00-04'::timestamptz)::timestamp", "2024-02-01T01:30:00Z"),
        ("to_timestamp('31/01/2024 21:30:00', 'DD/MM/YYYY HH24:MI:SS')", "2024-02-01T01:30:00Z"),
        ("'05/03/2024'::timestamp", "2024-03-05T04:00:00Z"),
        ("'2024-01-31'::date", "2024-01-31T04:00:00Z"),
        ("to_char('2024-01-31 21:30:00-04'::timestamptz, 'YYYY-MM-DD HH24:MI:SS')", "2024-02-01T01:30:00Z"),
        ("'31/01/2024 21:30:00'::timestamp AT TIME ZONE 'UTC'", "2024-01-31T21:30:00Z"),
    ],
)
@pytest.mark.parametrize("style", ["ISO, DMY", "SQL, DMY"])
@pytest.mark.parametrize("pooled", [False, True])
def test_as_the_page_for_dbas_writes_them(
    spanish: Server, request: pytest.FixtureRequest, expression: str, sent: str, style: str, pooled: bool
) -> None:
    """The same holds with the zone and order chosen by ``initdb``, and behind PgBouncer after a client that changed them."""
    database = spanish.database()
    with spanish.admin() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {database} SET datestyle = '{style}'")
    with spanish.admin(database) as connection:
        connection.exec_driver_sql(
            f"CREATE VIEW {VIEW} AS SELECT '1' service_id, 'R' request_id, {expression.replace('%', '%%')} opening_date,"
            f" 2 status_id, {expression} last_modified_date"
        )
    address = spanish.address(database)
    if pooled:
        address = address.set(port=request.getfixturevalue("pooler").port)
        other = sa.create_engine(address, connect_args={"prepare_threshold": None})
        with other.begin() as connection:
            connection.exec_driver_sql("SET timezone = 'Asia/Tokyo'")
            connection.exec_driver_sql("SET datestyle = 'German'")
        other.dispose()
    found = Source(sa.create_engine(address), table=VIEW, sql=None, zone=ZONE, day_zone=ZONE)
    ((_, _, opening, changed),) = spanish.psql(database, views.shown(VIEW), PGTZ=ZONE.name)
    assert posted(found, ZONE) == {"R": (as_sent(opening), as_sent(changed))} == {"R": (sent, sent)}
