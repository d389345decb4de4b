"""Carries a request to the service that answers it, and the answer back, streaming both ways."""
