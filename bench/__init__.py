"""Speed: every goal with its limit and its peers, measured in one process. ``python -m bench``."""
