"""Events: written with the change they tell of, streamed to whoever looks on."""
