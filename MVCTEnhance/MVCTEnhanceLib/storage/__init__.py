"""Files and folders that appear when they are complete, and locks."""
