"""Predict: the full path, which names every fault, and the fast path beside the framework, which only says yes."""
