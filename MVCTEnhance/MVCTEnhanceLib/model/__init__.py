"""Networks, the file of a model with its card, and the engine that runs it."""
