"""The panel, one file a section."""
