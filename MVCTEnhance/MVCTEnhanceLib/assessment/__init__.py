"""Input warnings, expected ranges and the assessment of each metric."""
