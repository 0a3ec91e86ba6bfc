"""Clinical decision support for low back pain: CDS Hooks in, cards from FHIR PlanDefinitions out."""
