"""What the client does with pictures and sound that arrive: show, play, record - in step.

Without a loudspeaker pictures are shown as they come. With one, sound is master: a picture waits until its
sound is heard, and one that is overtaken is left out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from client.peer import Picture, Sound
from client.recording import Recorder
from client.sinks import Speaker, VideoSink
from client.sources import PACKET_S
from sonic_stream.errors import SonicError

PICTURE_LIMIT = 25
_LONGEST_WAIT_S = 0.5
"""A picture that would wait longer is shown: its times cannot be right."""


class Output:
    """Hand `picture` and `sound` to a peer; `wants_to_end` is set when the viewer closes the window."""

    def __init__(
        self,
        screens: list[VideoSink] | None = None,
        speaker: Speaker | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._screens = screens or []
        self._speaker = speaker
        self._recorder = recorder
        self._waiting: deque[Picture] = deque(maxlen=PICTURE_LIMIT)
        self._heard: Sound | None = None
        self._showing: asyncio.Task[None] | None = None
        self.wants_to_end = asyncio.Event()
        self.failure: SonicError | None = None
        self.first_picture = asyncio.Event()
        self.pictures = 0
        self.last_at_s: float | None = None
        """Instant of the newest sound that arrived, on the server's clock."""

    def picture(self, picture: Picture) -> None:
        self.pictures += 1
        self.first_picture.set()
        if self._recorder is not None:
            self._recorder.put(picture)
        if not self._screens:
            return
        if self._speaker is None:
            self._show(picture)
            return
        self._waiting.append(picture)
        if self._showing is None:
            self._showing = asyncio.create_task(self._show_in_step(), name="show")

    def sound(self, sound: Sound) -> None:
        if sound.at_s is not None:
            self.last_at_s = sound.at_s + len(sound.samples) / sound.times.rate_hz
        if self._recorder is not None:
            self._recorder.put(sound)
        if self._speaker is not None:
            self._speaker.put(sound.samples)
            self._heard = sound

    def _show(self, picture: Picture) -> None:
        image: Any = picture.frame.to_ndarray(format="rgb24")
        try:
            for screen in self._screens:
                if not screen.show(image):
                    self.wants_to_end.set()
        except SonicError as error:
            self.failure = error
            self._screens = []
            self.wants_to_end.set()

    def wait_s(self, picture: Picture) -> float:
        """Until the sound of this picture is heard; 0 or less: it is time."""
        heard = self._heard
        if self._speaker is None or heard is None or heard.at_s is None or picture.at_s is None:
            return 0.0
        heard_now_s = heard.at_s + PACKET_S - self._speaker.delay_s
        wait_s = picture.at_s - heard_now_s
        return wait_s if wait_s < _LONGEST_WAIT_S else 0.0

    async def _show_in_step(self) -> None:
        while self._waiting:
            wait_s = self.wait_s(self._waiting[0])
            if wait_s > 0.002:
                await asyncio.sleep(min(wait_s, PACKET_S))
                continue
            picture = self._waiting.popleft()
            while self._waiting and self.wait_s(self._waiting[0]) <= 0.002:
                picture = self._waiting.popleft()
            self._show(picture)
        self._showing = None

    def close(self) -> None:
        if self._showing is not None:
            self._showing.cancel()
        for screen in self._screens:
            screen.close()
        if self._speaker is not None:
            self._speaker.close()
