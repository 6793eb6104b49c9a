"""The optimiser of every classifier: Nesterov SGD, linear warm-up, cosine to zero or steps; progress is counted in images."""

from __future__ import annotations

import math

import torch
from torch import nn

from upcycle.config import ClassifierConfig


def sgd(net: nn.Module, config: ClassifierConfig) -> torch.optim.SGD:
    """SGD without weight decay on biases and normalisation, which it would only shrink."""
    parameters = list(net.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=True)


def rate(config: ClassifierConfig, images_seen: int, budget: int) -> float:
    """Learning rate after `images_seen` of `budget` images."""
    share = images_seen / budget
    if share < config.warmup:
        return config.lr * (share + config.batch / budget) / (config.warmup + config.batch / budget)
    if config.milestones:
        return config.lr * 0.1 ** sum(share >= milestone for milestone in config.milestones)
    return config.lr * 0.5 * (1 + math.cos(math.pi * (share - config.warmup) / (1 - config.warmup)))


def image_budget(config: ClassifierConfig, members: int) -> int:
    """Images a classifier sees: `epochs` passes, within [min_images, max_images]."""
    return int(min(max(config.epochs * members, config.min_images), config.max_images))
