"""The comparators with a proven epsilon inside one shadow pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from upcycle.data import ImageSet
from upcycle.dp import DpSettings, train_head, train_private
from upcycle.nets import Augmentation
from upcycle.runs.stages import Bench


@dataclass(frozen=True, eq=False)
class PrivateNet:
    """A classifier with its noise multiplier and its epsilon at delta = 1 / members."""

    net: nn.Module
    noise: float
    epsilon: float


def private_classifiers(bench: Bench, members: ImageSet, how: DpSettings, resume: Path | None = None) -> dict[str, PrivateNet]:
    """A classifier by DP-SGD per noise multiplier and a head per epsilon, by name; `resume`: a folder in which a killed call
    goes on.

    They see the images as they are: flips that a probe allowed would be a choice on the members that epsilon does not cover,
    and shifts cost more than they gave (0.79 instead of 0.92 on digits), since every view's gradient is clipped by itself.
    """
    recipe = bench.recipe(max(1, round(bench.plan.budget.teacher * how.budget)), Augmentation())
    found = {}
    for noise in how.noises:
        name = f"DP-SGD, noise {noise:g}"
        kept = None if resume is None else resume / f"dp-{noise:g}.pt"
        fitted = train_private(members, recipe, how, noise, seed=bench.config.seed, stage=name, resume=kept)
        found[name] = PrivateNet(fitted.net, noise, fitted.epsilon)
    for epsilon in how.heads:
        fitted = train_head(members, recipe.classes, epsilon, seed=bench.config.seed)
        found[f"DP head, epsilon {epsilon:g}"] = PrivateNet(fitted.net, fitted.noise, fitted.epsilon)
    return found
