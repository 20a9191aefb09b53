"""NRRD, NIfTI and MetaImage files: read and written."""
