"""``python -m melonkube.registry``."""

from melonkube.registry.main import main

if __name__ == "__main__":
    main()
