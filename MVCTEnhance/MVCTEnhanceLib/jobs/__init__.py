"""The jobs that a user can ask for, one file each."""
