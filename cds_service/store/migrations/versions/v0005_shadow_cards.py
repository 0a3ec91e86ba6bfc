"""Whether a card was only tried: judged and logged, not shown."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; the cards that are there were no trial."""
    column = sa.Column("is_shadow", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("decision_card", column)
