"""Whom feedback was about, as keyed hashes: what a user overrode is found without their decisions.

A user who opens a chart a thousand times makes a thousand decisions and a handful of overrides.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_WHOM = """
update feedback set {name} = (
  select decision.{name} from decision_card join decision
    on decision.decision_id = decision_card.decision_id
  where decision_card.card = feedback.card and decision_card.service = feedback.service
    and decision.tenant = feedback.tenant and decision_card.quieted is null
    and not decision_card.is_shadow)
"""


def upgrade() -> None:
    """Add the columns and their index; the feedback that is there gets them from its cards."""
    for name in ("patient_key", "user_key"):
        op.add_column("feedback", sa.Column(name, sa.Text))
        op.execute(_WHOM.format(name=name))
    op.create_index("ix_feedback_patient_key", "feedback", ["patient_key", "user_key"])
