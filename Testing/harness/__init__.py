"""A stand-in of 3D Slicer's application, to drive the module's panel in tests without Slicer. See README.md."""
