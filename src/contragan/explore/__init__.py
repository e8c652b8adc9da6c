"""A page in the browser to look at a trained generator: served to this machine only."""

HOST, PORT = "127.0.0.1", 7860
"""Where it is served, unless another port is asked for; known before the page's modules load."""
