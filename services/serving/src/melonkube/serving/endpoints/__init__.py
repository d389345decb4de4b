"""Endpoints: what was asked for (kept in the database) and how the wire sees it."""
