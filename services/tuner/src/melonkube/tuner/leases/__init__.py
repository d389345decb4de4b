"""Leases: one attempt at one trial by one worker, and the calls by which workers live."""
