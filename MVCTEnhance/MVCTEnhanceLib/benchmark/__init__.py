"""Timing of networks, engine and whole job on this computer."""
