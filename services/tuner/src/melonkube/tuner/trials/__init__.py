"""Trials: what each may become, and how they are listed."""
