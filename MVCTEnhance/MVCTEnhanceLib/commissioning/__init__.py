"""A clinic's scanner made known to the program."""
