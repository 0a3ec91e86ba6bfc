"""Clinical decision support for low back pain: cards for EHRs, made from FHIR PlanDefinitions."""
