"""Bringing endpoints to what was asked for: one keeper each, a follower of aliases, a loader of models."""
