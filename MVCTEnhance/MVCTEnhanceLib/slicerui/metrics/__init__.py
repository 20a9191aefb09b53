"""The readouts of a result as tables and a chart of the scene."""
