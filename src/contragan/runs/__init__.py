"""What a run leaves on disk, written by training and read by everything else."""
