"""A cohort: every scan below a folder enhanced into another folder."""
