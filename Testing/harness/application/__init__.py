"""Stand-ins for the application, its modules, files and Python packages."""
