"""The supervisor, with services that misbehave on demand and with the real ones."""
