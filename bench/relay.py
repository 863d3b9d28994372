"""A bad network between a browser and the server: loses and delays datagrams, both ways.

Kernels do this too (netem), but not every machine lets one. The SDP answer is rewritten so that the browser
knows only the relay; the page sends its offer without candidates, so the server learns only the relay too.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from typing import Any

_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (?P<host>\S+) (?P<port>\d+) typ host.*$", re.I | re.M)
_ANY_CANDIDATE = re.compile(r"^a=candidate:.*\r?\n", re.M)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Network:
    """How bad: `loss` 0..1; each datagram is late by `delay_s` plus up to `jitter_s`, evenly spread."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    seed: int = 1


class _Side(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay, is_outer: bool) -> None:
        self._relay, self._is_outer = relay, is_outer

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._relay.carry(data, addr, self._is_outer)


class Relay:
    """Between whoever sends to `outer` and one address of the server."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._random = random.Random(network.seed)
        self._browser: Address | None = None
        self._outer: asyncio.DatagramTransport | None = None
        self._inner: asyncio.DatagramTransport | None = None
        self.passed = self.lost = 0

    async def rewrite(self, answer: str) -> str:
        """Opens the relay for the server of this SDP answer and returns the answer that names the relay."""
        found = _CANDIDATE.search(answer)
        assert found is not None, answer
        host, port = found["host"], int(found["port"])
        loop = asyncio.get_running_loop()
        self._outer, _ = await loop.create_datagram_endpoint(lambda: _Side(self, True), local_addr=(host, 0))
        self._inner, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self, False), local_addr=(host, 0), remote_addr=(host, port)
        )
        mine = self._outer.get_extra_info("sockname")[1]
        line = f"a=candidate:relay 1 udp 2130706431 {host} {mine} typ host\r\n"
        sections = answer.split("m=")
        kept = [_ANY_CANDIDATE.sub("", section) for section in sections]
        return "m=".join([kept[0], *(section.rstrip("\r\n") + "\r\n" + line for section in kept[1:])])

    def carry(self, data: bytes, sender: Address, is_outer: bool) -> None:
        """Passes a datagram on, late, or not at all."""
        if is_outer:
            self._browser = sender
        if self._random.random() < self._network.loss:
            self.lost += 1
            return
        self.passed += 1
        wait_s = self._network.delay_s + self._random.random() * self._network.jitter_s
        loop = asyncio.get_running_loop()
        if is_outer:
            loop.call_later(wait_s, self._to_server, data)
        else:
            loop.call_later(wait_s, self._to_browser, data)

    def _to_server(self, data: bytes) -> None:
        if self._inner is not None and not self._inner.is_closing():
            self._inner.sendto(data)

    def _to_browser(self, data: bytes) -> None:
        if self._outer is not None and self._browser is not None and not self._outer.is_closing():
            self._outer.sendto(data, self._browser)

    def close(self) -> None:
        for transport in (self._outer, self._inner):
            if transport is not None:
                transport.close()
