"""The network: log-mel frames -> mouth curves, closure, lip contact and speech, causally.

Two strided causal convolutions bring 100 frames a second down to 25 and a third one joins neighbouring
pictures, which is where the sound of one mouth shape lies; transformer blocks look back over
a window of pictures through a cache, plus one learned token that stands where a stream's first tokens
would be kept. Heads for several look-aheads share all of it: the head for `k` hops tells, at hop `i`,
the mouth at picture `i - k`.

State is explicit, with a leading slot axis: `out, state = net(mel, state)`. The same function runs one
hop at a time, any chunk, or a whole recording (training).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sonic_stream.motion.features import LOG_FLOOR, MELS
from sonic_stream.types import MOUTH_CHANNELS

LOG_MEL_MEAN, LOG_MEL_SPREAD = -4.0, 4.0
"""Brings log-mel power of speech to about -3..2."""

EVENTS = ("close", "contact", "speech")
"""Logits beside the curves: lips pressed shut, lower lip at the teeth, somebody speaks."""

NO_KEY = -1e9
"""Attention bias of a key that must not be seen; finite, so that masks never make a NaN."""


@dataclass(frozen=True, slots=True)
class NetConfig:
    """The network's size; stored in the weight file."""

    stem: int = 256
    width: int = 192
    heads: int = 4
    blocks: int = 4
    near: int = 9
    """Pictures joined by the last convolution."""
    window: int = 25
    """Pictures each block looks back over, itself included."""
    lookaheads: tuple[int, ...] = (0, 2, 4)
    """Hops."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> NetConfig:
        return NetConfig(**{**values, "lookaheads": tuple(values["lookaheads"])})


class NetState(NamedTuple):
    """What a slot remembers. Every tensor has the slot axis where its comment says."""

    stem_in: Tensor
    """float32 [S, MELS, 3]"""
    stem_mid: Tensor
    """float32 [S, stem, 2]"""
    near: Tensor
    """float32 [S, width, near - 1]"""
    keys: Tensor
    """float32 [S, blocks, heads, window - 1, width // heads]"""
    values: Tensor
    """as `keys`"""
    age: Tensor
    """Pictures held in the cache, int64 [S], at most window - 1."""


class NetOutput(NamedTuple):
    """For every picture and look-ahead."""

    curves: Tensor
    """float32 [S, T, lookaheads, len(MOUTH_CHANNELS)], in units of the training targets' spread"""
    events: Tensor
    """Logits, float32 [S, T, lookaheads, len(EVENTS)]"""
    hidden: Tensor
    """float32 [S, T, width], for training's extra heads"""


class CausalConv(nn.Module):
    """A strided convolution that is given its past instead of padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride)
        self.past = kernel - stride

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([past, x], dim=2)
        return self.conv(x), x[:, :, -self.past :]


@lru_cache(maxsize=64)
def _distances(new: int, window: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """How far back key j lies from query i, clamped to the window, and whether it is in it: [new, keys]."""
    query = torch.arange(new, device=device)[:, None] + window - 1
    key = torch.arange(window - 1 + new, device=device)[None]
    back = query - key
    return back.clamp(0, window - 1), (back >= 0) & (back < window)


class Block(nn.Module):
    """Attention over the window with a learned bias for each distance, then a two-layer perceptron."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.window = config.heads, config.window
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        # Some heads begin by listening nearby, some to the whole window.
        slopes = torch.linspace(0.6, 0, config.heads)[:, None]
        self.distance_bias = nn.Parameter(-slopes * torch.arange(config.window))
        self.first_key = nn.Parameter(torch.randn(config.heads, 1, width // config.heads) * 0.1)
        self.first_value = nn.Parameter(torch.zeros(config.heads, 1, width // config.heads))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, age: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slots, new, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(slots, new, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        back, in_window = _distances(new, self.window, x.device)
        filled = torch.arange(k.shape[2], device=x.device) >= self.window - 1 - age[:, None]
        seen = in_window & filled[:, None, None]
        bias = torch.where(seen, self.distance_bias[:, back].float(), NO_KEY)
        bias = functional.pad(bias, (1, 0)).to(q.dtype)  # the learned first token is always seen
        first_k = self.first_key.to(k.dtype).expand(slots, -1, -1, -1)
        first_v = self.first_value.to(v.dtype).expand(slots, -1, -1, -1)
        heard = functional.scaled_dot_product_attention(
            q, torch.cat([first_k, k], dim=2), torch.cat([first_v, v], dim=2), attn_mask=bias
        )
        x = x + self.out(heard.transpose(1, 2).reshape(slots, new, width))
        x = x + self.down(functional.gelu(self.up(self.norm_mlp(x))))
        keep = self.window - 1
        return x, k[:, :, -keep:], v[:, :, -keep:]


class MotionNet(nn.Module):
    """See the module's docstring."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem_in = CausalConv(MELS, config.stem, kernel=5, stride=2)
        self.stem_mid = CausalConv(config.stem, config.width, kernel=4, stride=2)
        self.near = CausalConv(config.width, config.width, config.near, stride=1)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        per_picture = len(MOUTH_CHANNELS) + len(EVENTS)
        self.head = nn.Linear(config.width, per_picture * len(config.lookaheads))

    def rest(self, slots: int) -> NetState:
        """The state of slots that have heard silence for ever (with an empty cache)."""
        c = self.config
        weight = self.head.weight
        cache = (slots, c.blocks, c.heads, c.window - 1, c.width // c.heads)
        silence = (LOG_FLOOR - LOG_MEL_MEAN) / LOG_MEL_SPREAD
        return NetState(
            stem_in=weight.new_full((slots, MELS, self.stem_in.past), silence),
            stem_mid=weight.new_zeros(slots, c.stem, self.stem_mid.past),
            near=weight.new_zeros(slots, c.width, self.near.past),
            keys=weight.new_zeros(cache),
            values=weight.new_zeros(cache),
            age=torch.zeros(slots, dtype=torch.int64, device=weight.device),
        )

    def forward(
        self, mel_SFM: Tensor, state: NetState, run: Tensor | None = None
    ) -> tuple[NetOutput, NetState]:
        """T pictures for `mel_SFM` float32 [S, 4 T, MELS].

        Slots whose `run` (bool [S]) is False keep their state.
        """
        x = ((mel_SFM - LOG_MEL_MEAN) / LOG_MEL_SPREAD).transpose(1, 2)
        x, stem_in = self.stem_in(x, state.stem_in)
        x, stem_mid = self.stem_mid(functional.gelu(x), state.stem_mid)
        x = functional.gelu(x)
        joined, near = self.near(x, state.near)
        x = (x + functional.gelu(joined)).transpose(1, 2)
        keys, values = [], []
        for i, block in enumerate(self.blocks):
            x, k, v = block(x, state.keys[:, i], state.values[:, i], state.age)
            keys.append(k)
            values.append(v)
        slots, new, _ = x.shape
        hidden = self.norm(x)
        y = self.head(hidden).view(slots, new, len(self.config.lookaheads), -1)
        curves, events = y.split([len(MOUTH_CHANNELS), len(EVENTS)], dim=-1)
        after = NetState(
            stem_in,
            stem_mid,
            near,
            torch.stack(keys, dim=1),
            torch.stack(values, dim=1),
            (state.age + new).clamp(max=self.config.window - 1),
        )
        if run is not None:
            after = choose(run, after, state)
        return NetOutput(curves, events, hidden), after


def choose(mask: Tensor, yes: NetState, no: NetState) -> NetState:
    """Slot by slot, `yes` where `mask` (bool [S]) and `no` elsewhere; also how slots are reset."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(mask.view(-1, *[1] * (a.ndim - 1)), a, b)

    return NetState(*(pick(a, b) for a, b in zip(yes, no, strict=True)))
