"""What the client's commands do, once the command line was understood."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from client.output import Output
from client.recording import Recorder
from client.server import Server
from client.session import Session, own_session, watched_session
from client.sinks import CameraSink, Speaker, VideoSink, WindowSink
from client.sources import MicrophoneTrack, file_packets, sound_library, stdin_pcm
from client.speak import only_session, push
from sonic_stream.errors import BadInputError, MissingPieceError, SonicError

LEAD_S = 0.12
"""A film begins this much before the first sound, so that the mouth is seen to open."""
TAIL_S = 0.4
"""... and ends this much after the last, when the mouth is shut."""
ARRIVAL_S = 4.0
"""What was sent is waited for this long."""


@contextlib.contextmanager
def _output(options: Namespace, recorder: Recorder | None) -> Any:
    """Screens, loudspeaker and recorder as the options ask for them; closed at the end."""
    output: Output | None = None
    screens: list[VideoSink] = []
    speaker: Speaker | None = None
    try:
        if options.camera is not None:
            screens.append(CameraSink(options.camera or None))
        if options.window:
            screens.append(WindowSink())
        if options.speaker is not None:
            speaker = Speaker(options.speaker or None)
        output = Output(screens, speaker, recorder)
        yield output
    finally:
        if output is not None:
            output.close()
        elif speaker is not None:
            speaker.close()


def _controls(options: Namespace) -> dict[str, Any]:
    return dict(options.controls)


def _tell(options: Namespace, told: dict[str, Any]) -> None:
    if options.json:
        print(json.dumps(told), flush=True)


def note(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


async def speak(options: Namespace) -> None:
    """A file or standard input through a face: a running one, or one of its own with somewhere to go."""
    chunks: AsyncIterator[bytes]
    if options.file == "-":
        chunks, rate_hz, channels = stdin_pcm(), options.rate, options.channels
    else:
        chunks, rate_hz, channels = file_packets(options.file, options.live), 48_000, 1
        await asyncio.to_thread(_check_sound, options.file)
    async with Server(options.server, options.insecure) as server:
        if not _has_output(options) and options.portrait is None:
            session_id = await only_session(server)
            await push(
                server,
                session_id,
                chunks,
                lambda told: _tell(options, told),
                rate_hz,
                options.live,
                channels,
            )
            return

        async def voice(session: Session, tell: Any) -> None:
            await push(server, session.id, chunks, tell, rate_hz, options.live, channels)

        await _perform(server, options, voice)


def _check_sound(path: str) -> None:
    from sonic_stream.media.audio import open_audio

    open_audio(path).check()


def _has_output(options: Namespace) -> bool:
    return bool(options.out or options.window or options.camera is not None or options.speaker is not None)


async def say(options: Namespace) -> None:
    """A text by one of the server's voices, through a running face or one of its own."""
    text = sys.stdin.read() if options.text == "-" else options.text
    wishes = {
        name: getattr(options, name) for name in ("voice", "rate") if getattr(options, name) is not None
    }
    async with Server(options.server, options.insecure) as server:
        if not _has_output(options) and options.portrait is None:
            await server.say(await only_session(server), text, **wishes)
            return

        async def voice(session: Session, tell: Any) -> None:
            await server.say(session.id, text, **wishes)
            for kind in ("speaking_started", "speaking_finished"):
                tell(await session.until(kind, 30 + len(text) / 5))

        await _perform(server, options, voice)


async def _perform(server: Server, options: Namespace, voice: Any) -> None:
    """A session of its own whose voice is `voice(session, tell)`; the film is cut to what was spoken."""
    recorder = Recorder(options.out) if options.out else None
    begin_s = end_s = None
    with _output(options, recorder) as output:
        try:
            async with own_session(
                server, output.picture, output.sound, options.portrait, controls=_controls(options)
            ) as session:
                await _within(output.first_picture.wait(), ARRIVAL_S, "No picture arrived.")
                await _until_timed(session, output)

                def tell(told: dict[str, Any]) -> None:
                    nonlocal begin_s, end_s
                    _tell(options, told)
                    if told["type"] == "speaking_started" and begin_s is None:
                        begin_s = (session.origin_s or 0) + float(told["at_s"]) - LEAD_S
                        if recorder is not None:
                            recorder.begin(begin_s)
                    elif told["type"] == "speaking_finished":
                        end_s = (session.origin_s or 0) + float(told["at_s"]) + TAIL_S

                speaking = asyncio.create_task(voice(session, tell))
                leaving = asyncio.create_task(output.wants_to_end.wait())
                await asyncio.wait({speaking, leaving}, return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
                if speaking.done():
                    await speaking
                else:
                    speaking.cancel()
                    await asyncio.gather(speaking, return_exceptions=True)
                if output.failure is not None:
                    raise output.failure
                if end_s is None:
                    end_s = output.last_at_s or time.time()
                if recorder is not None:
                    recorder.stop_at(end_s)
                await _until_heard(output, end_s)
            await _finish(recorder, end_s)
        except BaseException:
            if recorder is not None:
                recorder.cancel()
            raise


async def _until_timed(session: Session, output: Output) -> None:
    """Until it is known when what arrives was meant to be seen and heard (sender reports, about 1 s)."""
    until_s = time.monotonic() + ARRIVAL_S
    while output.last_at_s is None or session.origin_s is None:
        if time.monotonic() > until_s:
            raise SonicError("The server sends no sender reports, so sound and picture have no common clock.")
        await asyncio.sleep(0.02)


async def _until_heard(output: Output, at_s: float) -> None:
    """Until everything before `at_s` has arrived, or no longer can."""
    until_s = time.monotonic() + ARRIVAL_S
    while (output.last_at_s or 0) < at_s + 0.1 and time.monotonic() < until_s:
        await asyncio.sleep(0.02)


async def _within(waiting: Awaitable[Any], patience_s: float, sentence: str) -> None:
    try:
        await asyncio.wait_for(waiting, patience_s)
    except TimeoutError:
        raise SonicError(sentence) from None


async def _finish(recorder: Recorder | None, end_s: float) -> None:
    if recorder is None:
        return
    await asyncio.to_thread(recorder.finish, end_s)
    lost = f"; {recorder.lost} pictures or packets were lost to a slow disk" if recorder.lost else ""
    note(f"{recorder.path}: {recorder.seconds:.2f} s, {recorder.pictures} pictures{lost}.")


async def live(options: Namespace) -> None:
    """The microphone drives a face of its own until Ctrl-C (or `--seconds`)."""
    if not _has_output(options):
        raise BadInputError("Say where the picture goes: --camera, --window, --speaker or --out FILE.mp4.")
    recorder = Recorder(options.out) if options.out else None
    microphone = MicrophoneTrack(options.microphone)
    try:
        async with Server(options.server, options.insecure) as server:
            with _output(options, recorder) as output:
                async with own_session(
                    server,
                    output.picture,
                    output.sound,
                    options.portrait,
                    "streamer",
                    microphone,
                    _controls(options),
                ) as session:
                    await _run(options, session, output, recorder)
    finally:
        microphone.stop()


async def record(options: Namespace) -> None:
    """Somebody else's session into a film (or onto a screen) until it ends, Ctrl-C or `--seconds`."""
    if not _has_output(options):
        raise BadInputError("Say where the picture goes: --out FILE.mp4, --camera, --window or --speaker.")
    recorder = Recorder(options.out) if options.out else None
    async with Server(options.server, options.insecure) as server:
        session_id = options.session or await only_session(server)
        with _output(options, recorder) as output:
            async with watched_session(server, session_id, output.picture, output.sound) as session:
                await _run(options, session, output, recorder)


async def _run(options: Namespace, session: Session, output: Output, recorder: Recorder | None) -> None:
    """Until it is time to stop; a film that has begun is finished also when the session is lost."""
    try:
        await _within(output.first_picture.wait(), ARRIVAL_S, "No picture arrived.")
        while output.last_at_s is None and recorder is not None:
            await asyncio.sleep(0.02)
            if session.peer.gone.is_set():
                raise SonicError("The session ended before anything could be recorded.")
        begin_s = output.last_at_s or time.time()
        if recorder is not None:
            recorder.begin(begin_s)
            if options.seconds:
                recorder.stop_at(begin_s + options.seconds)
        note("On the air; Ctrl-C ends.")
        with contextlib.suppress(asyncio.CancelledError):
            await _until_over(options, session, output)
    except BaseException:
        if recorder is not None:
            recorder.cancel()
        raise
    end_s = begin_s + options.seconds if options.seconds else output.last_at_s or begin_s
    if recorder is not None:
        recorder.stop_at(end_s)
    await _finish(recorder, min(end_s, output.last_at_s or end_s))
    if output.failure is not None:
        raise output.failure
    if session.ended:
        note(f"The session ended: {session.ended}.")


async def _until_over(options: Namespace, session: Session, output: Output) -> None:
    waiting = [asyncio.create_task(e.wait()) for e in (output.wants_to_end, session.peer.gone)]
    # A little longer, so that the last of it has arrived.
    limit_s = options.seconds + 0.3 if options.seconds else None
    try:
        await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def devices(options: Namespace) -> None:
    """Microphones, loudspeakers and whether a virtual camera can be opened."""
    try:
        library = sound_library()
    except MissingPieceError as error:
        note(str(error))
    else:
        for kind, noun in (("input", "microphone"), ("output", "loudspeaker")):
            default = library.default.device[0 if kind == "input" else 1]
            found = [
                (number, device["name"])
                for number, device in enumerate(library.query_devices())
                if device[f"max_{kind}_channels"] > 0
            ]
            for number, name in found:
                print(f"{noun:12} {number:3}  {name}{'  (default)' if number == default else ''}")
            if not found:
                print(f"{noun:12}   -  none")
    import numpy as np

    camera: CameraSink | None = None
    try:
        camera = CameraSink(options.camera or None)
        camera.show(np.zeros((512, 512, 3), np.uint8))
        print(f"{'camera':12}      {camera.name}")
    except MissingPieceError as error:
        print(f"{'camera':12}   -  none")
        note(str(error))
    finally:
        if camera is not None:
            camera.close()


async def status(options: Namespace) -> None:
    """What the server and its sessions tell of themselves."""
    async with Server(options.server, options.insecure) as server:
        found = await server.health()
        sessions = [await server.status(str(session["id"])) for session in await server.sessions()]
        if options.json:
            print(json.dumps({"health": found, "sessions": sessions}))
            return
        places = f"{found.get('sessions')} of {found.get('capacity')} places taken"
        print(f"{server.url}: {found.get('status')}, {places}")
        for told in sessions:
            print(
                f"  {told['id']}  {told['mode']}, {told['state']}, {told['age_s']:.0f} s,"
                f" {told['fps']} pictures/s, sound to slot {told['latency_p50_ms']} ms,"
                f" {told['held']} held, {told['underruns']} underruns"
            )
