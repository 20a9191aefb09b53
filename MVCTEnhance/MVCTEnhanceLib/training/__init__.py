"""Training of a model with unpaired scans."""
