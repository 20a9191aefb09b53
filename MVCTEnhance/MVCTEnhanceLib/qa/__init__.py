"""Quality assurance with phantoms, before and after enhancing."""
