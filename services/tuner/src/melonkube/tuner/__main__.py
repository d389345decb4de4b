"""``python -m melonkube.tuner``."""

from melonkube.tuner.main import main

if __name__ == "__main__":
    main()
