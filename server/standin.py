"""The server with stand-ins for engine and face: for tests and for work on the page, no model needed.

`python -m server.standin --port 8010` serves it; the pictures say which slot they belong to
(`sonic_stream.engine.fake`), the portraits are plain colours.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from server.run import load_voices, run_app
from server.settings import ServerSettings
from sonic_stream.engine.fake import FakeEngine
from sonic_stream.errors import BadInputError, NoFaceError
from sonic_stream.types import Colours, Identity, PortraitSettings

SIZE_PX = 384


def fake_identity(data: bytes, settings: PortraitSettings) -> Identity:
    """Any picture becomes an identity, but one that is all black has no face."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            crop = np.asarray(image.convert("RGB").resize((SIZE_PX, SIZE_PX)), np.uint8)
    except UnidentifiedImageError:
        raise BadInputError("The portrait is not a picture; send one.") from None
    if not crop.any():
        raise NoFaceError("No face was found; use a portrait that shows one from the front.")
    grey = np.full(3, 0.5, np.float32)
    return Identity(
        id=hashlib.sha256(data).hexdigest(),
        settings=settings,
        crop=crop,
        crop_box=(SIZE_PX / 2, SIZE_PX / 2, SIZE_PX),
        landmarks=np.zeros((478, 2), np.float32),
        shape=np.zeros(1, np.float32),
        expression=np.zeros(1, np.float32),
        vertices=np.zeros((1, 3), np.float32),
        rotation=np.eye(3, dtype=np.float32),
        scale=1.0,
        translation=np.zeros(2, np.float32),
        matte=np.full((SIZE_PX, SIZE_PX), 255, np.uint8),
        colours=Colours(grey, grey, grey, 0.5),
        fit_error=0.0,
        lids_fit=True,
        advice=("This is a stand-in for a face.",),
    )


def fake_engine() -> FakeEngine:
    return FakeEngine(SIZE_PX)


def plain_portraits(folder: Path) -> Path:
    """Two one-coloured portraits in `folder`."""
    for name, colour in (("anna", (196, 140, 120)), ("ben", (90, 120, 160))):
        Image.new("RGB", (256, 320), colour).save(folder / f"{name}.png")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m server.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--ice-server", action="append", default=[], help="as `sonic-stream serve` has it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = ServerSettings(
            port=options.port,
            portraits_dir=plain_portraits(Path(folder)),
            ice_servers=tuple(options.ice_server),
        )
        run_app(settings, fake_engine, fake_identity, load_voices())


if __name__ == "__main__":
    main()
