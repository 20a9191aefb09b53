"""The metrics of a result as tables and a chart of the scene."""
