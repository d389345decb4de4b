"""Writes docs/openapi.json: the public document of all four services, made without starting any.

python -m scripts.openapi
"""

import tempfile
from pathlib import Path
from typing import Any

from melonkube.gateway.apidoc.merge import merge, to_text
from melonkube.gateway.app import create_app as create_gateway
from melonkube.gateway.settings import Settings as GatewaySettings
from melonkube.kit.settings import TokenSettings
from melonkube.kit.tokens import TokenKey
from melonkube.registry.app import create_app as create_registry
from melonkube.registry.settings import Settings as RegistrySettings
from melonkube.serving.app import create_app as create_serving
from melonkube.serving.settings import Settings as ServingSettings
from melonkube.tuner.app import create_app as create_tuner
from melonkube.tuner.settings import Settings as TunerSettings

TARGET = Path(__file__).parents[1] / "docs" / "openapi.json"


def make_document() -> str:
    """Return the merged document as it is to be written."""
    tokens = TokenSettings(key=TokenKey.generate().to_pem().decode())
    with tempfile.TemporaryDirectory() as folder:
        common: dict[str, Any] = {"data_dir": Path(folder), "database_url": None, "tokens": tokens}
        apps = {
            "registry": create_registry(RegistrySettings(**common)),
            "tuner": create_tuner(TunerSettings(**common)),
            "serving": create_serving(ServingSettings(**common)),
            "gateway": create_gateway(GatewaySettings(**common)),
        }
        return to_text(merge({name: app.openapi() for name, app in apps.items()}))


def main() -> None:
    """Write the document."""
    TARGET.write_text(make_document(), encoding="utf-8")


if __name__ == "__main__":
    main()
