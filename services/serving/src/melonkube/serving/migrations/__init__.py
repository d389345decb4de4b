"""History of serving's tables."""
