"""The whole suite as processes, driven through the public port."""
