"""Simulated MVCT and digital phantoms."""
