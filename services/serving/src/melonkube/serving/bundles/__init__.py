"""Bundles: fetched from the registry, verified to the byte, kept on disk by digest."""
