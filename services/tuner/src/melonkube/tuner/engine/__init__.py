"""What runs by itself: ownership of experiments, suggestions ahead, expiry, workers."""
