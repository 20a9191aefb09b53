"""Rigid registration of an MVCT, or of its enhanced scan, to the planning CT."""
