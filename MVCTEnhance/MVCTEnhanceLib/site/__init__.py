"""A clinic's scanner: its site profile, and the calibration of its HU."""
