"""How peers find each other: only through servers that were named, and also on a loopback-only host."""

from __future__ import annotations

import re

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer

from sonic_stream.errors import BadInputError

_ADDRESS = re.compile(
    r"^(?P<scheme>stuns?|turns?):(?:(?P<user>[^:@]+):(?P<password>[^@]+)@)?(?P<rest>[^@\s]+)$"
)


def ice_server(address: str) -> RTCIceServer:
    """A server from `stun:host:port` or `turn:user:password@host:port`. Errors: `BadInputError`."""
    match = _ADDRESS.match(address)
    if match is None:
        raise BadInputError(
            f"'{address}' is no ICE server; write stun:host:port or turn:user:password@host:port."
        )
    return RTCIceServer(
        urls=f"{match['scheme']}:{match['rest']}", username=match["user"], credential=match["password"]
    )


def configuration(addresses: tuple[str, ...]) -> RTCConfiguration:
    """For a peer connection. An empty list stays empty: the library's default asks a public server,
    which stalls every answer by five seconds where it cannot be reached."""
    return RTCConfiguration(iceServers=[ice_server(address) for address in addresses])


def allow_loopback_only_hosts() -> None:
    """On a host with no other address, offers 127.0.0.1: aioice leaves it out and would hang silently."""
    found = aioice.ice.get_host_addresses
    if getattr(found, "with_loopback", False):
        return

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        addresses: list[str] = found(use_ipv4, use_ipv6)
        return addresses or (["127.0.0.1"] if use_ipv4 else [])

    get_host_addresses.with_loopback = True  # type: ignore[attr-defined]
    aioice.ice.get_host_addresses = get_host_addresses
