"""MVCT and enhanced scan compared in linked views."""
