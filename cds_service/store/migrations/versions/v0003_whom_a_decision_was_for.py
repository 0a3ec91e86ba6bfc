"""Tenants, whom a decision was for (as keyed hashes), what was judged, and the data if wanted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns to decisions, cards and feedback, and two tables."""
    for table in ("decision", "feedback"):
        op.add_column(table, sa.Column("tenant", sa.Text, nullable=False, server_default=""))
    for name in ("patient_key", "user_key", "encounter_key"):
        op.add_column("decision", sa.Column(name, sa.Text))
    op.add_column("decision", sa.Column("rule_verdicts", sa.JSON))
    op.add_column("decision_card", sa.Column("plans", sa.JSON))
    op.add_column("decision_card", sa.Column("quieted", sa.JSON))
    op.create_index("ix_decision_patient_key", "decision", ["patient_key", "user_key"])
    op.create_index("ix_feedback_card", "feedback", ["card"])
    decision_id = sa.ForeignKey("decision.decision_id")
    op.create_table(
        "decision_request",
        sa.Column("decision_id", sa.Text, decision_id, primary_key=True),
        sa.Column("request", sa.JSON, nullable=False),
    )
    op.create_table(
        "pseudonym_key",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
    )
