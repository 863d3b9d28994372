"""The decoder's steps as they are exported: the same answers in fewer operations.

Training wants a network as it is thought of, a runtime few passes over memory. So a convolution of folded
pixels becomes a strided convolution of plain ones, the first layer's two halves become one, and what is the
same for every patch is reckoned here, once. The first step comes from rest: it needs no state, and half of
the smoothing falls away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sonic_stream.picture.decoder_net import FOLD, DecoderNet

FIRST_INPUTS = ("inputs", "reference", "tone")
LATER_INPUTS = (*FIRST_INPUTS, "state", "step")


class _Step(nn.Module):
    place: Tensor
    """[1, C, h / fold, w / fold]: what the first layer makes of where a pixel lies."""

    def __init__(self, net: DecoderNet, entering: Tensor) -> None:
        """`entering` [C, channels, fold, fold] is the first layer on plain pixels."""
        super().__init__()
        look, recall, down = net.look, net.recall, net.down
        assert look.bias is not None and recall.bias is not None
        self.net = net
        self.enter = _strided(entering, look.bias + recall.bias)
        self.down = _strided(_on_plain_pixels(down.weight, 2), down.bias)
        with torch.no_grad():
            self.register_buffer("place", functional.conv2d(net.place, look.weight[:, -2:]))

    def asked(self, x: Tensor) -> Tensor:
        """What a step asks for, [N, STATE, h, w], from the first layer's answer."""
        net = self.net
        x = net.before(x)
        y = net.middle(self.down(functional.relu(x)))
        x = net.after(x + functional.pixel_shuffle(net.up(functional.relu(y)), 2))
        return functional.pixel_shuffle(net.out(functional.relu(x)), FOLD)


class FirstStep(_Step):
    """Step 0 of a network, from rest."""

    def __init__(self, net: DecoderNet) -> None:
        entering = _on_plain_pixels(net.look.weight[:, :-2], FOLD)
        # At rest what was made of the picture is the picture.
        entering[:, :3] += _on_plain_pixels(net.recall.weight, FOLD)[:, :3]
        super().__init__(net, entering)
        self.place += net.step.weight[0, :, None, None]

    def forward(self, inputs: Tensor, reference: Tensor, tone: Tensor) -> tuple[Tensor, Tensor]:
        """The next state and what it adds to the patch, as `DecoderNet.forward`."""
        seen, bounds = self.net.seen(inputs, reference, tone)
        state = self.net.pace[0] * self.asked(self.enter(seen) + self.place)
        return state, self.net.shown(bounds, state, tone)


class LaterStep(_Step):
    """Any step of a network, from any state."""

    def __init__(self, net: DecoderNet) -> None:
        weights = net.look.weight[:, :-2], net.recall.weight
        super().__init__(net, torch.cat([_on_plain_pixels(weight, FOLD) for weight in weights], 1))

    def forward(
        self, inputs: Tensor, reference: Tensor, tone: Tensor, state: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next state and what it adds to the patch, as `DecoderNet.forward`."""
        net = self.net
        seen, bounds = net.seen(inputs, reference, tone)
        made = torch.cat([seen, seen[:, :3] + net.change(bounds, state), state[:, 3:]], 1)
        x = self.enter(made) + self.place + net.step(step)[:, :, None, None]
        state = state + net.pace[step][:, None, None, None] * self.asked(x)
        return state, net.shown(bounds, state, tone)


def _on_plain_pixels(weight: Tensor, fold: int) -> Tensor:
    """Weights [C, channels * fold * fold, 1, 1] of folded pixels as [C, channels, fold, fold]; a copy."""
    return weight.detach().reshape(len(weight), -1, fold, fold).clone()


def _strided(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], stride=weight.shape[-1])
    assert bias is not None
    layer.load_state_dict({"weight": weight, "bias": bias.detach()})
    return layer.requires_grad_(False)
