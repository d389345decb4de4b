"""The supervisor behind melon up and melon demo."""
