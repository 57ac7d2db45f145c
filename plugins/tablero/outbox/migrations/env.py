"""Runs Alembic's migrations on the connection, and in the transaction, that ``upgrade.migrate`` passes in."""

from alembic import context
from tablero.outbox.upgrade import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
