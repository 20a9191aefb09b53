"""The module's self-test."""
