"""What runs' folders tell, as numbers and as figures: one module for each kind of figure."""
