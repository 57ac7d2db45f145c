"""The outbox: extractions, batches, status changes, attempts, rejections, reconciliations."""

from alembic import op
from tablero.outbox.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables. Later migrations spell out what they change."""
    metadata.create_all(op.get_bind())
