"""Makes a running face say a text: `python examples/say.py "Hello there."` (only the standard library)."""

import json
import sys
import urllib.request

SERVER = "http://127.0.0.1:8010"


def call(path: str, body: dict[str, object] | None = None) -> dict[str, list[dict[str, str]]]:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(SERVER + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sessions = call("/api/sessions")["sessions"]
    if not sessions:
        sys.exit("No face is on the air: open the page and press Start first.")
    call(f"/api/sessions/{sessions[0]['id']}/say", {"text": " ".join(sys.argv[1:]) or "Hello there."})
