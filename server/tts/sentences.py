"""Text in pieces that can be spoken one after the other, whole or while it is still being written."""

from __future__ import annotations

import re

LONGEST_PIECE = 280
"""Characters; a sentence beyond it is spoken in parts."""

_END = re.compile(r"(?<=[.!?…。！？;:])\s+|\n+|(?<=[。！？])")


def sentences(text: str) -> list[str]:
    """`text` in pieces, none much longer than a breath."""
    pieces: list[str] = []
    for sentence in _END.split(text):
        rest = " ".join(sentence.split())
        while len(rest) > LONGEST_PIECE:
            cut = max(rest.rfind(", ", 0, LONGEST_PIECE), rest.rfind(" ", 0, LONGEST_PIECE))
            cut = cut if cut > 0 else LONGEST_PIECE
            pieces.append(rest[:cut].strip())
            rest = rest[cut:].lstrip(", ")
        if rest:
            pieces.append(rest)
    return pieces


class Writing:
    """A text that arrives in bits of any size (from a chat model): whole sentences come out early."""

    def __init__(self) -> None:
        self._rest = ""

    def add(self, bit: str) -> list[str]:
        """The sentences that `bit` completes."""
        self._rest += bit
        ends = [match for match in _END.finditer(self._rest) if match.end() < len(self._rest)]
        if not ends:
            return []
        whole, self._rest = self._rest[: ends[-1].end()], self._rest[ends[-1].end() :]
        return sentences(whole)

    def end(self) -> list[str]:
        """What is left."""
        rest, self._rest = self._rest, ""
        return sentences(rest)
