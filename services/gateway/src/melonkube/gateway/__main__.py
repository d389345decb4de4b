"""``python -m melonkube.gateway``."""

from melonkube.gateway.main import main

if __name__ == "__main__":
    main()
