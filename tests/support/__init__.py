"""Real parts for the tests: databases, keys, processes."""
