"""Models: immutable versions made of runs' bundles, aliases that move between them, and who follows them."""
