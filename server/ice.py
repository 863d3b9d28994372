"""How peers find each other: only through servers that were named, and also on a loopback-only host."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection

from sonic_stream.errors import BadInputError

GATHER_LIMIT_S = 0.7
"""A STUN or TURN server that answers does so in a tenth of that."""

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


def limit_gathering(connection: RTCPeerConnection, limit_s: float = GATHER_LIMIT_S) -> None:
    """Has the answer wait no longer than `limit_s` for STUN and TURN servers; call it between the remote
    description and the local one. A server that cannot be reached would cost five seconds."""
    for transceiver in connection.getTransceivers():
        ice = transceiver.sender.transport.transport.iceGatherer._connection
        if not isinstance(ice.get_component_candidates, partial):
            patched: Any = ice
            patched.get_component_candidates = partial(patched.get_component_candidates, timeout=limit_s)


def for_browsers(addresses: tuple[str, ...]) -> list[dict[str, str]]:
    """The same list as `RTCPeerConnection` of a browser takes it."""
    told = []
    for server in map(ice_server, addresses):
        entry = {"urls": str(server.urls)}
        if server.username:
            entry |= {"username": server.username, "credential": server.credential or ""}
        told.append(entry)
    return told


def for_links(addresses: tuple[str, ...]) -> list[str]:
    """The same list as `Link` headers, the way WHEP tells it (RFC 9725, 4.6)."""
    links = []
    for entry in for_browsers(addresses):
        login = "".join(f'; {name}="{entry[name]}"' for name in ("username", "credential") if name in entry)
        kind = '; credential-type="password"' if login else ""
        links.append(f'<{entry["urls"]}>; rel="ice-server"{login}{kind}')
    return links


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
