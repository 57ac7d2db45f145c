"""Run Alembic's migrations on the connection, and in the transaction, which ``engine.migrate`` hands over."""

from alembic import context
from tablero.outbox.engine import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
