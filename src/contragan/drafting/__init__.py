"""``contragan init``: a recipe fitted to somebody's images and to the machine at hand."""
