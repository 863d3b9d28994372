"""Asks the face's chat model something and follows the answer: `python examples/conversation.py TEXT`.

The server needs a chat model (`sonic-stream serve --chat-url http://127.0.0.1:11434/v1 --chat-model NAME`)
or, to try it without any, the stand-in:

    python -m server.standin_services --port 8020
    sonic-stream serve --chat-url http://127.0.0.1:8020/v1 --chat-model any

Open the page, press Start, then run this. It needs only `websockets`.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.request

import websockets

SERVER = "127.0.0.1:8010"


def ask(text: str) -> None:
    request = urllib.request.Request(
        f"http://{SERVER}/api/sessions/current/ask",
        json.dumps({"text": text}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["error"]["message"])


async def main(text: str) -> None:
    async with websockets.connect(f"ws://{SERVER}/api/sessions/current/events") as socket:
        await asyncio.to_thread(ask, text)
        complete = False
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "caption":
                print(event["text"], flush=True)  # when it is heard, not when it is written
            elif event["type"] == "reply":
                complete = event["complete"]
            elif event["type"] in ("interrupted", "error", "ended"):
                sys.exit(f"{event['type']}: {event.get('message', '')}")
            elif event["type"] == "speaking_finished" and complete:
                return


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Why is the sky blue?"))
