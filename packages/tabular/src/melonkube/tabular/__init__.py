"""Column types, inference, profile, signature and the road from a row to a feature vector."""
