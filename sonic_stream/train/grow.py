"""A larger motion network that begins as a smaller, trained one.

New blocks add nothing and new channels of the stem are not listened to until training makes them useful, so
the larger network answers as the smaller one did (Chen, Goodfellow, Shlens 2016, "Net2Net").
"""

from __future__ import annotations

import torch

from sonic_stream.errors import BadInputError
from sonic_stream.motion.model import MotionNet, NetConfig

GROWING = ("stem", "blocks")
"""Fields of the configuration that may be larger than they were."""


def grow(small: MotionNet, config: NetConfig) -> MotionNet:
    """A network of `config` with the weights of `small`.

    Errors: `BadInputError` if it is smaller somewhere, or differs in more than GROWING.
    """
    old, new = small.config.to_json(), config.to_json()
    for name in old:
        if old[name] != new[name] and (name not in GROWING or new[name] < old[name]):
            raise BadInputError(
                f"A network cannot grow from {name} {old[name]} to {new[name]}; "
                f"{' and '.join(GROWING)} may grow."
            )
    net = MotionNet(config)
    with torch.no_grad():
        for name, parameter in net.blocks.named_parameters():
            block, part = name.split(".")[:2]
            if int(block) >= small.config.blocks and part in ("out", "down"):
                parameter.zero_()
        net.stem_mid.conv.weight[:, small.config.stem :] = 0
        for name, tensor in small.state_dict().items():
            target = net.state_dict()[name]
            target[tuple(slice(0, n) for n in tensor.shape)] = tensor
    return net
