"""Run Alembic's migrations on the connection, and in the transaction, which ``database.migrate`` hands over."""

from alembic import context
from tablero.database import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
