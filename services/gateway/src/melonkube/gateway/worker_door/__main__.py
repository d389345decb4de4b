"""``python -m melonkube.gateway.worker_door``."""

from melonkube.gateway.worker_door.main import main

if __name__ == "__main__":
    main()
