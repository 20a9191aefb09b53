"""The command line `mvct-enhance`."""
