"""`python -m client.speak VOICE_FILE [--server HOST:PORT] [--live]`: a running face speaks a sound file.

Any file that can be decoded, at the pace of the server (or of a microphone with `--live`); what happens
is printed as it is told. The face has to be on the air: somebody opened the page and pressed Start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import websockets

from sonic_stream.errors import BadInputError, MissingPieceError, SonicError
from sonic_stream.media.audio import open_audio
from sonic_stream.timebase import PACKET_TICKS, TICK_RATE


def running_session(server: str) -> str:
    """The id of the face that is on the air. Errors: `MissingPieceError`."""
    try:
        with urllib.request.urlopen(f"http://{server}/api/sessions", timeout=5) as answer:
            sessions = json.load(answer)["sessions"]
    except (OSError, ValueError) as error:
        raise MissingPieceError(
            f"No server answers at {server}; start one with: sonic-stream serve."
        ) from error
    if not sessions:
        raise MissingPieceError("No face is on the air; open the page and press Start first.")
    return str(sessions[0]["id"])


def packets(path: str) -> Iterator[bytes]:
    """The file as s16le mono packets of 20 ms at 48 kHz. Errors: `BadInputError`."""
    rest = np.zeros(0, np.float32)
    for block in open_audio(path).blocks():
        rest = np.concatenate([rest, block])
        whole = len(rest) - len(rest) % PACKET_TICKS
        for at in range(0, whole, PACKET_TICKS):
            yield _as_s16(rest[at : at + PACKET_TICKS])
        rest = rest[whole:]
    if len(rest):
        yield _as_s16(rest)


def _as_s16(samples: np.ndarray) -> bytes:
    return bytes(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())


async def speak(server: str, path: str, live: bool) -> None:
    """Returns when everything was spoken. Errors: `SonicError`."""
    url = f"ws://{server}/api/sessions/{running_session(server)}/audio"
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"rate": TICK_RATE, "format": "s16le", "live": live}))
        telling = asyncio.create_task(_tell(socket))
        begin = time.monotonic()
        for i, packet in enumerate(packets(path)):
            if live:
                await asyncio.sleep(max(0.0, begin + i * 0.02 - time.monotonic()))
            await socket.send(packet)
        await socket.send('{"end": true}')
        await telling


async def _tell(socket: websockets.ClientConnection) -> None:
    async for message in socket:
        told = json.loads(message)
        if told["type"] == "error":
            raise BadInputError(told["message"])
        print(json.dumps(told), flush=True)
        if told["type"] == "speaking_finished":
            return


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m client.speak", description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--server", default="127.0.0.1:8010")
    parser.add_argument("--live", action="store_true", help="send as a microphone would")
    options = parser.parse_args()
    try:
        asyncio.run(speak(options.server, options.file, options.live))
    except SonicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
