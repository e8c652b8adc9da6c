"""Other software's checkpoints."""
