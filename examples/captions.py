"""Prints what the running face says, word by word as it is heard: `python examples/captions.py`.

Start the server, open its page, press Start, then run this and have the face speak. It only listens, needs
only `websockets`, and several may run at once.
"""

import asyncio
import json

import websockets

SERVER = "127.0.0.1:8010"


async def main() -> None:
    async with websockets.connect(f"ws://{SERVER}/api/sessions/current/events") as socket:
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "caption":
                print(f"\n{event['at_s']:8.2f} s  {event['text']}")
            elif event["type"] == "word":
                print(f"{event['at_s']:8.2f} s    {event['text']}", flush=True)
            elif event["type"] in ("speaking_finished", "interrupted", "ended", "error"):
                print(event)
                if event["type"] in ("ended", "error"):
                    return


if __name__ == "__main__":
    asyncio.run(main())
