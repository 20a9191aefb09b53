"""How fast this computer enhances."""
