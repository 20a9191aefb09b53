"""The DICOM node: scans that arrive are enhanced and sent on, before anybody asks."""
