"""The words of the card about recommendations that could not be judged.

A clinician takes silence for "nothing to say". Where a guideline is left out, or one of its
expressions fails on the data of a call or is in a language that this service cannot read, it is
not: the answer says so, until that is repaired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.engine import LeftOut
from cds_service.engine.outcome import Verdict
from cds_service.messages import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.engine import ActionOutcome, Outcome, Plan

_ERROR = Verdict.ERROR  # looked up once: a member of an enumeration is no plain attribute

SUMMARY = Text(
    "{n, plural, one {One recommendation} other {# recommendations}} could not be evaluated",
    {
        "de": "{n, plural, one {Eine Empfehlung konnte} other {# Empfehlungen konnten}} "
        "nicht ausgewertet werden",
        "nl": "{n, plural, one {Eén aanbeveling kon} other {# aanbevelingen konden}} "
        "niet worden beoordeeld",
        "nb": "{n, plural, one {Én anbefaling} other {# anbefalinger}} kunne ikke vurderes",
    },
)
LEFT_OUT = Text(
    "The fault is in the content of this service, not in the chart. That there is no card about "
    "the following says nothing about this patient: judge it yourself, and tell those who run "
    "this service.",
    {
        "de": "Der Fehler liegt im Inhalt dieses Dienstes, nicht in der Akte. Dass zu Folgendem "
        "keine Karte erscheint, sagt nichts über diese Person aus: bitte selbst beurteilen und "
        "die Betreiber dieses Dienstes benachrichtigen.",
        "nl": "De fout zit in de inhoud van deze dienst, niet in het dossier. Dat over het "
        "volgende geen kaart verschijnt, zegt niets over deze patiënt: beoordeel het zelf en "
        "meld het aan de beheerder van deze dienst.",
        "nb": "Feilen ligger i innholdet i denne tjenesten, ikke i journalen. At det ikke vises "
        "noe kort om det følgende, sier ingenting om denne pasienten: vurder det selv, og si fra "
        "til dem som drifter tjenesten.",
    },
)
FAILED = Text(
    "The following could not be evaluated in this call. A card about it may be missing, which "
    "says nothing about this patient: judge it yourself, and tell those who run this service.",
    {
        "de": "Folgendes konnte bei dieser Anfrage nicht ausgewertet werden. Eine Karte dazu "
        "kann fehlen, was nichts über diese Person aussagt: bitte selbst beurteilen und die "
        "Betreiber dieses Dienstes benachrichtigen.",
        "nl": "Het volgende kon bij deze aanvraag niet worden beoordeeld. Een "
        "kaart daarover kan ontbreken, en dat zegt niets over deze patiënt: beoordeel het zelf en "
        "meld het aan de beheerder van deze dienst.",
        "nb": "Følgende kunne ikke vurderes i denne forespørselen. Et kort om "
        "det kan mangle, og det sier ingenting om denne pasienten: vurder det selv, og si fra til "
        "dem som drifter tjenesten.",
    },
)


def errors_in(outcome: Outcome) -> list[ActionOutcome]:
    """What could not be judged, in document order; not in shadow: no card is due from there."""
    found: list[ActionOutcome] = []
    pending = list(reversed(outcome.actions))
    while pending:
        item = pending.pop()
        if item.action.is_shadow:
            continue
        if item.verdict is _ERROR:
            found.append(item)
        if item.children:
            pending.extend(reversed(item.children))
    return found


def left_out_of(errors: Iterable[ActionOutcome]) -> list[LeftOut]:
    """The definitions that would have been judged and were left out, each once."""
    definitions = (item.action.definition for item in errors)
    return list({item.id: item for item in definitions if isinstance(item, LeftOut)}.values())


def failed_of(errors: Iterable[ActionOutcome]) -> list[Plan]:
    """The plans with an expression that could not be evaluated, each once."""
    plans = (item.plan for item in errors if not isinstance(item.action.definition, LeftOut))
    return list({plan.id: plan for plan in plans}.values())
