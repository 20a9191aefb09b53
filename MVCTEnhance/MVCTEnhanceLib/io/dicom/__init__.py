"""DICOM CT series: read, grouped to scans and written."""
