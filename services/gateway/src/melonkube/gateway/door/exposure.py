"""Whether the gateway may listen on an address. Light: the supervisor asks before it starts anything."""

import ipaddress

from melonkube.gateway.settings import GatewaySettings


class Exposed(RuntimeError):
    """The gateway would be open to a network without saying who may come in."""


def check_exposure(address: str, settings: GatewaySettings) -> None:
    """Let the gateway listen on ``address`` (an IP address) if people from there are asked who they are.

    Raises:
        Exposed: It is reachable beyond this machine, and the owner's key or the names are missing.
    """
    if ipaddress.ip_address(address).is_loopback:
        return
    missing = [
        name
        for name, given in (
            ("MELON_GATEWAY__OWNER_KEY (at least 16 characters)", settings.owner_key),
            ("MELON_GATEWAY__HOSTS (the names people will use, such as melon.example:8080)", settings.hosts),
        )
        if not given
    ]
    if missing:
        raise Exposed(
            f"The gateway would listen on {address}, beyond this machine, for anyone to use. "
            f"Set {' and '.join(missing)}, or listen on 127.0.0.1."
        )
