"""The Python packages that Slicer does not bring."""
