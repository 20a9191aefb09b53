"""Structures that were drawn on a scan, and what the scans show in them."""
