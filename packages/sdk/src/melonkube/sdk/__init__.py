"""Python client and the melon command line."""
