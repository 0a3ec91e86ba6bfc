"""The guideline in four languages: agreed summaries, and every text with every kind of fact."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import REPOSITORY

from cds_service import fhir_json
from cds_service.authoring.translatable import places
from cds_service.data import plan_library
from cds_service.engine.wording import worded
from cds_service.fhirpath import Date, DateTime, Message, Quantity
from cds_service.hooks.cards import SUMMARY_LIMIT, shortened
from cds_service.hooks.languages import plain_text
from cds_service.hooks.service import HookService
from cds_service.locales import LANGUAGES
from cds_service.messages import Text, parse

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DECISION = UUID("00000000-0000-4000-8000-000000000003")

AGREED = [
    ('R01', {
        "en": "Possible cauda equina syndrome: same-day emergency assessment needed.",
        "de": "Verdacht auf Cauda-equina-Syndrom: noch heute notfallmäßig abklären.",
        "nl": "Mogelijk cauda-equinasyndroom: vandaag nog met spoed beoordelen.",
        "nb": "Mulig cauda equina-syndrom: må vurderes akutt samme dag.",
    }),
    ('R02', {
        "en": "New leg weakness with back pain: urgent neurological assessment.",
        "de": "Neue Beinschwäche bei Rückenschmerz: dringend neurologisch abklären.",
        "nl": "Nieuwe krachtvermindering in het been bij rugpijn: met spoed "
        "neurologisch beoordelen.",
        "nb": "Nyoppstått kraftsvikt i beinet ved ryggsmerter: rask nevrologisk vurdering.",
    }),
    ('R04', {
        "en": "Back pain with warning signs for malignancy: targeted work-up, do not "
        "label as non-specific.",
        "de": "Rückenschmerz mit Warnzeichen für Malignität: gezielt abklären, nicht "
        "als unspezifisch einordnen.",
        "nl": "Rugpijn met alarmsignalen voor maligniteit: gericht onderzoek, niet "
        "als aspecifiek duiden.",
        "nb": "Ryggsmerter med varselsignaler for malignitet: målrettet utredning, "
        "ikke kall det uspesifikt.",
    }),
    ('R06', {
        "en": "Back pain with fever or infection risk: consider spondylodiscitis.",
        "de": "Rückenschmerz mit Fieber oder Infektionsrisiko: an Spondylodiszitis denken.",
        "nl": "Rugpijn met koorts of infectierisico: denk aan spondylodiscitis.",
        "nb": "Ryggsmerter med feber eller infeksjonsrisiko: tenk spondylodiskitt.",
    }),
    ('R16 A', {
        "en": "Lumbar imaging not recommended: no red flag found in this patient.",
        "de": "LWS-Bildgebung nicht empfohlen: keine Warnzeichen gefunden.",
        "nl": "Beeldvorming van de onderrug niet aanbevolen: geen alarmsignalen gevonden.",
        "nb": "Bildediagnostikk av korsryggen anbefales ikke: ingen røde flagg funnet.",
    }),
    ('R16 B', {
        "en": "Lumbar imaging ordered, no red flag recorded: check before signing.",
        "de": "LWS-Bildgebung angefordert, keine Warnzeichen dokumentiert: vor dem "
        "Unterschreiben prüfen.",
        "nl": "Beeldvorming aangevraagd, geen alarmsignaal vastgelegd: controleer "
        "vóór ondertekenen.",
        "nb": "Bildediagnostikk bestilt, ingen røde flagg registrert: sjekk før signering.",
    }),
    ('R17', {
        "en": "Pain for {w} weeks: review the diagnosis; X-ray or MRI may now be appropriate.",
        "de": "Schmerzen seit {w} Wochen: Diagnose überprüfen; Röntgen oder MRT kann "
        "jetzt angebracht sein.",
        "nl": "Klachten sinds {w} weken: herzie de diagnose; röntgen of MRI kan nu passend zijn.",
        "nb": "Smerter i {w} uker: vurder diagnosen på nytt; røntgen eller MR kan nå være aktuelt.",
    }),
    ('R23', {
        "en": "HLA-B27 rarely helps here: sensitivity 20-35%, a negative test excludes nothing.",
        "de": "HLA-B27 hilft hier selten: Sensitivität 20-35 %, ein negativer Test "
        "schließt nichts aus.",
        "nl": "HLA-B27 helpt hier zelden: sensitiviteit 20-35%, een negatieve test "
        "sluit niets uit.",
        "nb": "HLA-B27 hjelper sjelden her: sensitivitet 20–35 %, en negativ test "
        "utelukker ingenting.",
    }),
    ('R30', {
        "en": "Not back to usual activity or work after {w} weeks: refer to "
        "multidisciplinary back care.",
        "de": "Nach {w} Wochen nicht zurück in Alltag oder Arbeit: multidisziplinäre "
        "Rückenbehandlung veranlassen.",
        "nl": "Na {w} weken niet terug in dagelijkse activiteiten of werk: verwijs "
        "naar multidisciplinaire rugzorg.",
        "nb": "Ikke tilbake i vanlige aktiviteter eller arbeid etter {w} uker: "
        "henvis til tverrfaglig ryggbehandling.",
    }),
    ('R37', {
        "en": "Still impaired after {w} weeks of treatment: assess for multimodal pain therapy.",
        "de": "Nach {w} Wochen Therapie weiter beeinträchtigt: multimodale Schmerztherapie prüfen.",
        "nl": "Na {w} weken behandeling nog duidelijk beperkt: overweeg multimodale "
        "pijnbehandeling.",
        "nb": "Fortsatt klart plaget etter {w} ukers behandling: vurder multimodal "
        "smertebehandling.",
    }),
    ('R47', {
        "en": "NSAID ordered with GI risk and no proton-pump inhibitor.",
        "de": "NSAR bei Magen-Darm-Risiko ohne Protonenpumpenhemmer verordnet.",
        "nl": "NSAID bij verhoogd maag-darmrisico zonder protonpompremmer.",
        "nb": "NSAID ved gastrointestinal risiko uten protonpumpehemmer.",
    }),
    ('R53 A', {
        "en": "Strong opioid over 2 weeks or with repeats: not advised in low back pain.",
        "de": "Starkes Opioid über 2 Wochen oder mit Wiederholung: bei Kreuzschmerz "
        "nicht angeraten.",
        "nl": "Sterkwerkend opioïd langer dan 2 weken of met herhaling: niet "
        "geadviseerd bij lagerugpijn.",
        "nb": "Sterkt opioid utover 2 uker eller med gjentak: frarådes ved korsryggsmerter.",
    }),
]  # fmt: skip
"""The summaries of the rules as agreed, by rule; `{w}` is a number of weeks."""


@cache
def library():
    return plan_library.load(REPOSITORY / "plan_definitions")


@cache
def texts():
    """Every text that a reader sees, with what it is for."""
    return [(place.kind, Text(place.text, place.translations)) for place in every_place()]


@cache
def every_place():
    return places(library().content)


def _lasting(code, weeks):
    """A duration as titles have it: `lasting` or, before what it is a part of, `lasting-of`."""
    counted = {"lasting": "weeksSince", "lasting-of": "w"}[code]
    return Message(code, library().content.messages[f"{code}-weeks"], {counted: [weeks]})


@pytest.mark.parametrize(("rule", "agreed"), AGREED, ids=[rule for rule, _ in AGREED])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_summary_is_the_agreed_one(rule, agreed, language):
    folder = f"/{rule.split()[0]}/"
    summaries = [
        Text(place.text, place.translations)
        for place in every_place()
        if place.kind == "summary" and folder in place.element.source.file
    ]
    treatment = library().content.messages["treatment-endured"]
    facts = {
        "lasting": [_lasting("lasting", 6)],
        "lastingOf": [_lasting("lasting-of", 6)],
        "endured": [Message("treatment-endured", treatment, {})],
    }
    chosen = [t for t in summaries if worded(t, "en", facts) == agreed["en"].replace("{w}", "6")]

    assert chosen
    assert {worded(text, language, facts) for text in chosen} == {
        agreed[language].replace("{w}", "6")
    }


@pytest.mark.parametrize(
    ("language", "weeks"),
    [
        ("en", ["Pain for 0 weeks", "Pain for 1 week", "Pain for 2 weeks"]),
        ("de", ["Schmerzen seit 0 Wochen", "Schmerzen seit 1 Woche", "Schmerzen seit 2 Wochen"]),
        ("nl", ["Klachten sinds 0 weken", "Klachten sinds 1 week", "Klachten sinds 2 weken"]),
        ("nb", ["Smerter i 0 uker", "Smerter i 1 uke", "Smerter i 2 uker"]),
    ],
)
def test_weeks_have_their_singular_in_each_language(language, weeks):
    text = next(text for kind, text in texts() if text.default.startswith("Pain for {"))

    found = [
        worded(text, language, {"lasting": [_lasting("lasting", number)]}).split(":")[0]
        for number in (0, 1, 2)
    ]

    assert found == weeks


FACTS = st.lists(
    st.one_of(
        st.integers(-1, 10**6),
        st.decimals(-1000, 1000, places=2),
        st.builds(Date, st.sampled_from([(2024,), (2024, 5), (2024, 5, 18), (1, 1, 1)])),
        st.builds(DateTime, st.just((2024, 5, 18, 9, 5))),
        st.builds(Quantity, st.just(Decimal("7.50")), st.just("mg")),
        st.text(st.characters(exclude_characters="{}"), max_size=60),
        st.just({"value": Decimal("38.6"), "unit": "°C"}),
        st.just({"resourceType": "Condition", "code": {"text": "Fever"}}),
    ),
    max_size=3,
)


@pytest.mark.slow
@settings(max_examples=5)
@given(st.data())
def test_no_text_in_any_language_shows_a_placeholder_or_outgrows_a_summary(data):
    shapes = {}
    for kind, text in texts():
        names = parse(text.default).names
        facts = shapes.setdefault(
            names, data.draw(st.fixed_dictionaries(dict.fromkeys(names, FACTS)))
        )
        for language in LANGUAGES:
            shown = plain_text(text, language, facts)
            assert "{" not in shown
            assert "}" not in shown
            if kind == "summary":
                assert len(shortened(shown)) <= SUMMARY_LIMIT


def service():
    return HookService(library())


def cards(**options):
    path = REPOSITORY / "examples/requests/patient-view-cauda-equina.json"
    request = fhir_json.decode(path.read_bytes())
    answer = service().call(
        "low-back-pain-patient-view", request, now=NOW, decision_id=DECISION, **options
    )
    return answer.response["cards"]


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({}, AGREED[0][1]["en"]),
        ({"profile": "nl"}, AGREED[0][1]["nl"]),
        ({"profile": "no"}, AGREED[0][1]["nb"]),
        ({"profile": "nl", "accept_language": "de"}, AGREED[0][1]["de"]),
        ({"profile": "nl", "accept_language": "fr"}, AGREED[0][1]["en"]),
    ],
)
def test_the_reader_is_asked_first_and_the_profile_next(options, summary):
    assert cards(**options)[0]["summary"] == summary


def test_override_reasons_are_in_the_language_of_the_card():
    reasons = cards(accept_language="nl")[0]["overrideReasons"]

    assert {
        "system": "https://lbp.example.org/fhir/CodeSystem/lbp-override",
        "code": "OR-ELSE",
        "display": "Elders al gedaan of geregeld",
    } in reasons


@pytest.mark.parametrize(
    ("profile", "named", "draft"),
    [
        ("core", "core.", ""), ("nl", "nl.", "De Nederlandse vertaling is een concept"),
        ("de", "de.", "Die deutsche Übersetzung ist ein Entwurf"),
        ("no", "no.", "Den norske oversettelsen er et utkast"),
    ],
)  # fmt: skip
def test_discovery_is_in_the_language_of_the_profile_and_says_that_it_is_a_draft(
    profile, named, draft
):
    for found in service().discovery(profile)["services"]:
        assert named in found["description"]
        assert draft in found["description"]
        assert "{" not in found["description"]
