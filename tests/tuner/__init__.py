"""The tuner, in parts and whole."""
