"""Makes a running face speak a sound file: `python examples/push_pcm.py voice.wav`.

Start the server, open its page and press Start; then run this. It needs only `websockets` and reads
16-bit WAV files; every other program that has sound can do the same in its own language.
"""

import asyncio
import json
import sys
import urllib.request
import wave

import websockets

SERVER = "127.0.0.1:8010"


async def main(path: str) -> None:
    with urllib.request.urlopen(f"http://{SERVER}/api/sessions") as answer:
        sessions = json.load(answer)["sessions"]
    if not sessions:
        sys.exit("No face is on the air: open the page and press Start first.")
    with wave.open(path) as sound:
        if sound.getsampwidth() != 2:
            sys.exit("Only 16-bit WAV files here.")
        layout = {"rate": sound.getframerate(), "format": "s16le", "channels": sound.getnchannels()}
        data = sound.readframes(sound.getnframes())

    async with websockets.connect(f"ws://{SERVER}/api/sessions/{sessions[0]['id']}/audio") as socket:
        await socket.send(json.dumps(layout))
        for start in range(0, len(data), 8192):  # any size will do; the server says when to wait
            await socket.send(data[start : start + 8192])
        await socket.send('{"end": true}')
        async for message in socket:
            event = json.loads(message)
            print(event)
            if event["type"] in ("speaking_finished", "error"):
                break


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
