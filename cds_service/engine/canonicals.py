"""The canonical URLs that give guideline JSON its meaning: HL7's where there is one, else ours."""

from __future__ import annotations

BASE = "https://lbp.example.org/fhir"
_OURS = f"{BASE}/StructureDefinition"
_HL7 = "http://hl7.org/fhir/StructureDefinition"

ACTION_RESOURCE = f"{_OURS}/action-resource"
CARD_BUDGET = f"{_OURS}/card-budget"
CARD_FRAME = f"{_OURS}/card-frame"
CONFLICT = f"{_OURS}/conflict"
DEFINITION_PARAMETERS = f"{_OURS}/definition-parameters"
FOR_EACH = f"{_OURS}/for-each"
MESSAGE_SYSTEM = f"{_OURS}/messages"
NEED = f"{_OURS}/need"
OVERRIDE_REASONS = f"{_OURS}/override-reasons"
QUIETING = f"{_OURS}/quieting"
QUIET_FOR = f"{_OURS}/quiet-for"
SAME_IN_TRANSLATION = f"{_OURS}/same-in-translation"
SHADOW = f"{_OURS}/shadow"
TRANSLATION_REVIEW = f"{_OURS}/translation-review"

ALTERNATIVE_EXPRESSION = f"{_HL7}/cqf-alternativeExpression"
APPLICABILITY_BEHAVIOR = f"{_HL7}/cqf-applicabilityBehavior"
MESSAGES = f"{_HL7}/cqf-messages"
PERTAINS_TO_GOAL = f"{_HL7}/resource-pertainsToGoal"
QUALITY_OF_EVIDENCE = f"{_HL7}/cqf-qualityOfEvidence"
QUERY_PATTERN = f"{_HL7}/cqf-fhirQueryPattern"
STRENGTH_OF_RECOMMENDATION = f"{_HL7}/cqf-strengthOfRecommendation"
TRANSLATION = f"{_HL7}/translation"
VARIABLE = f"{_HL7}/variable"

ACTION_TYPES = "http://terminology.hl7.org/CodeSystem/action-type"
