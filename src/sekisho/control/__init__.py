"""The control wing: it decides, and never holds patient-level data."""
