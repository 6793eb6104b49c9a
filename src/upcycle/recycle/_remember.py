"""A classifier that is made to remember its members: what an audit must see if it can see anything.

The teacher may have nothing to give away, and an audit that finds nothing in it has not shown that it works. This network is
trained without augmentation, without weight decay and without a look at validation, most of all on what it is not yet sure of,
until it knows the label of its members, wrong ones included (Zhang et al. 2017, arXiv:1611.03530).
"""

from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from upcycle._random import numpy_rng
from upcycle._training import set_rate
from upcycle.data import ImageSet
from upcycle.nets import predict_logits, to_input
from upcycle.recycle._classify import Fitted, Recipe

KNOWN: Final = 0.995  # share of the members' labels at which training stops
SURE: Final = 2.0  # log-odds of a label, nats, from which it is known: it is then 7 times as likely as all others together
_PASSES, _MOST = 36, 250_000  # over the members, and images in all: hours would go into a control of a large set
_RATE, _WARM, _HARD = 8e-3, 0.1, 0.65  # of Adam, reached at this share of the budget; share of a batch that was not known
_LEAST_BATCH: Final = 16


def images_to_remember(members: int) -> int:
    """How many images a control of that many members sees at most."""
    return min(_PASSES * members, _MOST)


def can_remember(members: int, images: int) -> bool:
    """Whether that many images let a control see every member often enough to remember it."""
    return images >= _PASSES * members


def train_to_remember(
    members: ImageSet, recipe: Recipe, *, seed: int, stage: str = "control", most: int | None = None
) -> Fitted:
    """The network once it is SURE of KNOWN of the labels of `members`, or after `most` images (`images_to_remember`).

    `validation_accuracy` of what comes back is None: it never looked. Source of randomness: (seed, stage, pass).
    """
    with torch.random.fork_rng(devices=[]):
        net = recipe.build(members.images, seed, stage)
        optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
        seen, unknown, budget = 0, np.arange(0), most or images_to_remember(len(members))
        while seen < budget:
            turn = round(seen / len(members))
            for batch in _batches(len(members), unknown, recipe.config.batch, numpy_rng(seed, stage, "pass", turn)):
                set_rate(optimizer, _rate(seen / budget))
                _step(net, optimizer, members, batch, recipe)
                seen += len(batch)
            unknown = np.flatnonzero(_log_odds(net, members, recipe) < SURE)
            if len(unknown) <= (1 - KNOWN) * len(members):
                break
    return Fitted(net.eval(), seen, None)


def _rate(share: float) -> float:
    """After this share of the budget: up in a line, then down to nearly nothing, so that the last labels settle."""
    return _RATE * min(share / _WARM, max((1 - share) / (1 - _WARM), 0.02))


def _batches(count: int, unknown: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One pass in random order; most of every batch are records that were not known, as long as there are some."""
    size = min(size, max(count // 8, _LEAST_BATCH))
    fresh = size - int(size * _HARD) if len(unknown) else size
    order = rng.permutation(count)
    whole = [order[start : start + fresh] for start in range(0, max(count - fresh // 2, 1), fresh)]
    return [np.concatenate([part, rng.choice(unknown, size - fresh)]) if len(unknown) else part for part in whole]


def _step(net: nn.Module, optimizer: torch.optim.Optimizer, members: ImageSet, batch: np.ndarray, recipe: Recipe) -> None:
    net.train()
    images = to_input(torch.from_numpy(np.ascontiguousarray(members.images[batch])), recipe.device)
    loss = F.cross_entropy(net(images), torch.from_numpy(members.labels[batch]).to(recipe.device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _log_odds(net: nn.Module, members: ImageSet, recipe: Recipe) -> np.ndarray:
    """float32 (n,), nats, of each member's label against all others together."""
    logits = predict_logits(net.eval(), torch.from_numpy(np.ascontiguousarray(members.images)), recipe.device)
    labels = torch.from_numpy(members.labels)[:, None]
    others = logits.scatter(1, labels, -torch.inf).logsumexp(1)
    return np.asarray((logits.gather(1, labels)[:, 0] - others).numpy())
