"""Festival's voices, which say when each phone sounds: eight languages, diphones, clunits and HMMs.

festival and its voices are Debian packages; what is not installed is left out. TRAINED voices are trained
on, UNHEARD voices never: they show how a model follows a voice that is new to it.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonic_stream.train.phones import ALPHABETS
from sonic_stream.train.sentences import GRAMMARS, Speaker
from sonic_stream.train.speech import Utterance, timed


@dataclass(frozen=True, slots=True)
class Voice:
    """How a voice is asked, and how its phones are read."""

    language: str
    """Whose sentences it reads, of `sentences.GRAMMARS`."""
    alphabet: str
    """Of `phones.ALPHABETS`."""
    encoding: str = "latin-1"
    late_s: float = 0.0
    """How much later than it says its phones sound, found by correlating phone edges with onsets."""


TRAINED: Final = {
    "cmu_us_slt_arctic_hts": Voice("en-us", "arpabet", late_s=0.01),
    "czech_dita": Voice("cs", "czech", "iso-8859-2", late_s=0.005),
    "czech_krb": Voice("cs", "czech", "iso-8859-2", late_s=0.005),
    "czech_machac": Voice("cs", "czech", "iso-8859-2", late_s=0.005),
    "czech_ph": Voice("cs", "czech", "iso-8859-2"),
    "hindi_NSK_diphone": Voice("hi", "hindi", "utf-8"),
    "hy_fi_mv_diphone": Voice("fi", "finnish"),
    "msu_ru_nsh_clunits": Voice("ru", "russian", "utf-8", late_s=-0.005),
    "upc_ca_ona_hts": Voice("ca", "romance", late_s=0.01),
}
UNHEARD: Final = {
    "kal_diphone": Voice("en-us", "arpabet", late_s=0.01),
    "ked_diphone": Voice("en-us", "arpabet", late_s=0.005),
    "lp_diphone": Voice("it", "romance"),
    "pc_diphone": Voice("it", "romance"),
    "suo_fi_lj_diphone": Voice("fi", "finnish", late_s=0.005),
}
VOICES: Final = TRAINED | UNHEARD

SAY: Final = (
    "(define (say text out) (let ((u (utt.synth (eval (list 'Utterance 'Text text))))) "
    '(utt.save.wave u (string-append out ".wav") \'riff) (utt.save.segs u (string-append out ".seg"))))'
)


def say(name: str, count: int, seed: int) -> Iterator[Utterance]:
    """`count` sentences by one of VOICES; fewer where it stumbles, none where it is missing."""
    if not shutil.which("festival"):
        return
    voice, rng = VOICES[name], random.Random(f"{name} {seed}")
    assert voice.language in GRAMMARS
    speaker = Speaker(voice.language, rng)
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"(voice_{name})", SAY]
        for i in range(count):
            text = speaker.sentence().replace('"', "").replace("\\", "")
            lines.append(f"(Parameter.set 'Duration_Stretch {rng.uniform(0.85, 1.25):.2f})")
            lines.append(f'(unwind-protect (say "{text}" "{folder}/{i}") nil)')
        script = Path(folder) / "say.scm"
        script.write_text("\n".join(lines), encoding=voice.encoding, errors="ignore")
        subprocess.run(["festival", "-b", str(script)], capture_output=True, check=False, cwd=folder)
        for i in range(count):
            segments = Path(folder) / f"{i}.seg"
            if not segments.exists():
                continue
            rows = [row.split() for row in segments.read_text("latin-1").splitlines()]
            phones = [(row[2], float(row[0])) for row in rows if len(row) == 3]
            said = timed(
                Path(folder) / f"{i}.wav",
                phones,
                "festival:" + name,
                ALPHABETS[voice.alphabet],
                late_s=voice.late_s,
            )
            if said:
                yield said


def in_turn(names: list[str], seed: int) -> Iterator[Utterance]:
    """Endless speech, twenty sentences of each voice at a time; nothing where none of them is installed."""
    batch = seed * 1000
    while True:
        got = 0
        for name in names:
            for said in say(name, 20, batch):
                got += 1
                yield said
        if not got:
            return
        batch += 1
