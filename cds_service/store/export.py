"""The store's content as plain rows, oldest first, for other programs to read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cds_service.store import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection

_ROWS_AT_ONCE = 500
_OF_PERSONS = frozenset({"patient_key", "user_key"})  # of feedback; they stand in the decisions


def decisions(
    connection: Connection, *, requests: bool = False, only: str | None = None
) -> Iterator[dict[str, Any]]:
    """Each decision with its `cards`; with the `request` and its `language` where that is wanted.

    A decision of which no request was kept has neither.
    """
    card = tables.card.c
    columns = [card.card, card.rules, card.plans, card.suggestions, card.quieted, card.is_shadow]
    asked = tables.request
    query = select(tables.decision).order_by(tables.decision.c.at)
    if only is not None:
        query = query.where(tables.decision.c.decision_id == only)
    if requests:
        same = asked.c.decision_id == tables.decision.c.decision_id
        query = query.add_columns(asked.c.request).outerjoin_from(tables.decision, asked, same)
    for row in _rows(connection, query):
        cards = connection.execute(
            select(*columns)
            .where(tables.card.c.decision_id == row["decision_id"])
            .order_by(tables.card.c.card)
        )
        kept = row.pop("request", None) or {}
        yield {
            **_plain(row),
            "cards": [dict(card) for card in cards.mappings()],
            **({"language": kept["language"], "request": kept["message"]} if kept else {}),
        }


def feedback(connection: Connection, *, comments: bool = False) -> Iterator[dict[str, Any]]:
    """Each feedback event with the `rules` of its card; with its comment where that is wanted.

    A card that another tenant was sent lends its rules to nobody (B6).
    """
    decision = tables.decision
    sent = (
        select(tables.card.c.card, tables.card.c.service, tables.card.c.rules, decision.c.tenant)
        .join(decision, decision.c.decision_id == tables.card.c.decision_id)
        .subquery()
    )
    event = tables.feedback
    same_card = (sent.c.card == event.c.card) & (sent.c.service == event.c.service)
    about = event.outerjoin(sent, same_card & (sent.c.tenant == event.c.tenant)).outerjoin(
        tables.comment, tables.comment.c.event == event.c.event
    )
    wanted: list[Any] = [item for item in event.c if item.name not in _OF_PERSONS]
    wanted.append(sent.c.rules)
    if comments:
        wanted.append(tables.comment.c.comment)
    query = select(*wanted).select_from(about).order_by(event.c.received)
    for row in _rows(connection, query):
        yield _plain(row) | {"rules": row["rules"] or []}


def quieted(connection: Connection) -> Iterator[dict[str, Any]]:
    """Each card that was quiet: the time of its decision, its `rules`, and `quieted`."""
    card = tables.card.c
    return _cards(connection, card.quieted.is_not(None), card.rules, card.quieted)


def shadowed(connection: Connection) -> Iterator[dict[str, Any]]:
    """Each card that was only tried: the time of its decision, and its `rules`."""
    card = tables.card.c
    return _cards(connection, card.is_shadow, card.rules)


def _cards(
    connection: Connection, which: ColumnElement[bool], *columns: ColumnElement[Any]
) -> Iterator[dict[str, Any]]:
    """These columns of the cards that are so, and the time of the decision."""
    query = (
        select(tables.decision.c.at, *columns)
        .join(tables.card, tables.card.c.decision_id == tables.decision.c.decision_id)
        .where(which)
        .order_by(tables.decision.c.at)
    )
    for row in _rows(connection, query):
        yield _plain(row)


def _rows(connection: Connection, query: Any) -> Iterator[dict[str, Any]]:
    """The rows, a part of them in memory at a time."""
    found = connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE))
    for row in found.mappings():
        yield dict(row)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's members that have a value, instants as text."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in row.items()
        if value is not None
    }
