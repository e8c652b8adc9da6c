"""What every other package stands on: errors, settings, types, files, randomness, processes."""
