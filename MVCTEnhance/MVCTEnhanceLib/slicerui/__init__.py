"""MVCTEnhance inside 3D Slicer: all that uses slicer, vtk, qt or ctk."""
