"""The screenshot of the page in the README: a real server, real Chromium, a portrait speaking a text.

python -m bench.page [--out docs/page.jpg]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from bench.chromium import CHROMIUM, FLAGS, free_port

TEXT = "Hello there! I am a portrait that speaks to you, live."


def wait_for(url: str, patience_s: float = 60) -> None:
    """Until the server answers. Errors: `TimeoutError`."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(url)


def shoot(url: str, chromium: str) -> np.ndarray:
    """The page while its portrait speaks, uint8 BGR."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
        page.goto(url)
        page.wait_for_selector("#start:not([disabled])")
        page.click("#start")
        page.wait_for_function("document.body.dataset.state === 'idle'", timeout=60_000)
        page.click('[data-mood="happy"]')
        page.wait_for_timeout(4000)  # the gauges settle
        page.fill("#text", TEXT)
        page.click("#speak")
        page.wait_for_selector("#caption.shown b", timeout=60_000)  # the first word sounds
        page.wait_for_timeout(1400)
        picture = page.screenshot()
        browser.close()
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/page.jpg"))
    parser.add_argument("--chromium", default=CHROMIUM)
    args = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "sonic_stream", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            image = shoot(f"http://127.0.0.1:{port}/", args.chromium)
        finally:
            server.terminate()
    cv2.imwrite(str(args.out), image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"{args.out} {args.out.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
