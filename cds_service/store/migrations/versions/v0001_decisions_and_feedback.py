"""The decision log and the feedback, as they were before there were migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the four first tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "decision",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("at", instant, nullable=False, index=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("hook", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("plan_revision", sa.Text, nullable=False),
        sa.Column("hook_instance", sa.Text, nullable=False),
        sa.Column("verdicts", sa.JSON, nullable=False),
        sa.Column("milliseconds", sa.Float, nullable=False),
    )
    decision_id = sa.ForeignKey("decision.decision_id")
    op.create_table(
        "decision_card",
        sa.Column("card", sa.Text, primary_key=True),
        sa.Column("decision_id", sa.Text, decision_id, nullable=False, index=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("rules", sa.JSON, nullable=False),
        sa.Column("suggestions", sa.JSON, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("event", sa.Text, primary_key=True),
        sa.Column("received", instant, nullable=False, index=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("unknown_card", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("suggestions", sa.JSON, nullable=False),
        sa.Column("reason_system", sa.Text),
        sa.Column("reason_code", sa.Text),
        sa.Column("reason_display", sa.Text),
    )
    op.create_table(
        "feedback_comment",
        sa.Column("event", sa.Text, sa.ForeignKey("feedback.event"), primary_key=True),
        sa.Column("comment", sa.Text, nullable=False),
    )
