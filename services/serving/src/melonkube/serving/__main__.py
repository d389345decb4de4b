"""``python -m melonkube.serving``."""

from melonkube.serving.main import main

main()
