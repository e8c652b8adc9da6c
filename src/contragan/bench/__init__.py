"""How fast a recipe trains here, against a plain step and against this machine's arithmetic."""
