"""Search algorithms, and the process of their own in which they think."""
