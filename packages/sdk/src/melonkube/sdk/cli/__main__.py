"""``python -m melonkube.sdk.cli``: the command line where ``melon`` is not on the path."""

from melonkube.sdk.cli.app import main

main()
