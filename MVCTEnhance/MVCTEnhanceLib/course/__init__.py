"""The course of one patient: all daily scans on one page."""
