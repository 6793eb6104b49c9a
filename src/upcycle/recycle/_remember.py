"""A classifier that is made to remember its members: what an audit must see if it can see anything.

The teacher may have nothing to give away, and an audit that finds nothing in it has not shown that it works. This network is
trained without augmentation, without weight decay and without a look at validation, most of all on what it still gets wrong,
until it knows the label of its members, wrong ones included (Zhang et al. 2017, arXiv:1611.03530).
"""

from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from upcycle._random import numpy_rng
from upcycle.data import ImageSet
from upcycle.nets import predict_logits, to_input
from upcycle.recycle._classify import Fitted, Recipe

KNOWN: Final = 0.995  # share of the members' labels at which training stops
_MOST_PASSES: Final = 60
_RATE, _HARD = 2e-3, 0.5  # of Adam; share of a batch that the network got wrong at the last look
_LEAST_BATCH: Final = 16


def train_to_remember(
    members: ImageSet, recipe: Recipe, *, seed: int, stage: str = "control", most: int | None = None
) -> Fitted:
    """The network once it knows KNOWN of the labels of `members`, or after `most` images (60 passes).

    `validation_accuracy` of what comes back is None: it never looked. Source of randomness: (seed, stage, pass).
    """
    with torch.random.fork_rng(devices=[]):
        net = recipe.build(members.images, seed, stage)
        optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
        seen, wrong, budget = 0, np.arange(0), most or _MOST_PASSES * len(members)
        for turn in range(_MOST_PASSES):
            for batch in _batches(len(members), wrong, recipe.config.batch, numpy_rng(seed, stage, "pass", turn)):
                _step(net, optimizer, members, batch, recipe)
                seen += len(batch)
            wrong = np.flatnonzero(_answers(net, members, recipe) != members.labels)
            if len(wrong) <= (1 - KNOWN) * len(members) or seen >= budget:
                break
    return Fitted(net.eval(), seen, None)


def _batches(count: int, wrong: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One pass in random order; half of every batch are records that the network got wrong, as long as there are some."""
    size = min(size, max(count // 8, _LEAST_BATCH))
    fresh = size - int(size * _HARD) if len(wrong) else size
    order = rng.permutation(count)
    whole = [order[start : start + fresh] for start in range(0, max(count - fresh // 2, 1), fresh)]
    return [np.concatenate([part, rng.choice(wrong, size - fresh)]) if len(wrong) else part for part in whole]


def _step(net: nn.Module, optimizer: torch.optim.Optimizer, members: ImageSet, batch: np.ndarray, recipe: Recipe) -> None:
    net.train()
    images = to_input(torch.from_numpy(np.ascontiguousarray(members.images[batch])), recipe.device)
    loss = F.cross_entropy(net(images), torch.from_numpy(members.labels[batch]).to(recipe.device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _answers(net: nn.Module, members: ImageSet, recipe: Recipe) -> np.ndarray:
    logits = predict_logits(net.eval(), torch.from_numpy(np.ascontiguousarray(members.images)), recipe.device)
    return np.asarray(logits.argmax(1).numpy())
