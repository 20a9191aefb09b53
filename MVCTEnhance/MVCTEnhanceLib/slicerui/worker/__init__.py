"""The child process that does the work, and how it is waited for."""
