"""The ``melon`` command line. Nothing heavy is imported before a command runs."""

from melonkube.sdk.cli.app import create_app, main

__all__ = ["create_app", "main"]
