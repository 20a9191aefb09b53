"""Nodes of the scene and what they hold."""
