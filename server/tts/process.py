"""A voice that is a program: it reads a text on its input and writes 16-bit PCM or WAV to its output.

For instance `piper --model en.onnx --output-raw`. It is started anew for each sentence and killed when
nobody wants to hear the rest.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar

from server.tts.base import Pcm, Sound, Voice, VoiceFailedError
from sonic_stream.errors import BadInputError
from sonic_stream.media.resample import check_rate

T = TypeVar("T")
_CHUNK_BYTES = 8192
PROCESS_RATE_HZ = 22_050
PATIENCE_S = 30.0
"""A program that writes nothing for so long hangs: other texts wait behind it."""


class ProcessVoice:
    """Implements `VoiceEngine`. `{rate}` in the command is replaced by the pace, 1 being the usual one.

    Errors: `BadInputError` for a program that does not exist.
    """

    def __init__(
        self,
        command: str,
        rate_hz: int = PROCESS_RATE_HZ,
        label: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise BadInputError(f"The voice's command {command!r} cannot be read ({error}).") from None
        if not self._command or shutil.which(self._command[0]) is None:
            name = self._command[0] if self._command else command
            raise BadInputError(f"There is no program '{name}' to speak with; give its whole path.")
        self._rate_hz = check_rate(rate_hz)
        self._patience_s = patience_s
        name = self._command[0].rpartition("/")[2]
        self._list = [Voice("program", label or f"{name} (program)", "")]

    @property
    def voices(self) -> Sequence[Voice]:
        return self._list

    async def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[Sound]:
        words = [word.replace("{rate}", f"{rate:g}") for word in self._command]
        process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        feeding = asyncio.create_task(_feed(process, text), name="voice-input")
        pcm, heard = Pcm(self._rate_hz), False
        try:
            assert process.stdout is not None
            while data := await self._soon(process.stdout.read(_CHUNK_BYTES)):
                samples = pcm.read(data)
                if len(samples):
                    heard = True
                    yield Sound(samples, pcm.rate_hz)
            complaint = await self._soon(feeding)
            code = await self._soon(process.wait())
            if code or not heard:
                raise VoiceFailedError(
                    f"The voice's program {self._command[0]} ended with {code}"
                    + (f": {complaint}" if complaint else " and said nothing.")
                )
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def _soon(self, what: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(what, self._patience_s)
        except TimeoutError:
            raise VoiceFailedError(
                f"The voice's program {self._command[0]} wrote nothing for {self._patience_s:g} s; it has to"
                " read a text on its input and to write sound to its output."
            ) from None

    async def close(self) -> None:
        return


async def _feed(process: Process, text: str) -> str:
    """Writes the text, and returns the last line of what the program complains about."""
    assert process.stdin is not None and process.stderr is not None
    try:
        process.stdin.write(text.encode() + b"\n")
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it did not want to read on; what it says about that is told
    process.stdin.close()
    last = b""
    async for line in process.stderr:
        last = line.strip()[:200] or last
    return last.decode("utf-8", "replace")
