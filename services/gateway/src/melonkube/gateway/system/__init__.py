"""How the whole is doing."""
