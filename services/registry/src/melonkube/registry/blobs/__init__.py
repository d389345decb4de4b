"""Content-addressed storage: bytes by their SHA-256, shared by what refers to them, removed with the last of these."""
