"""Images to features: extractors, resizing, one pass, cached statistics."""
