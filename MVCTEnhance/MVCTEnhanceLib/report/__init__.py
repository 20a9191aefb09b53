"""The HTML report of one enhancement."""
