"""Data: guideline folders, prefetch, and the reading of FHIR servers; the only room that reads."""
