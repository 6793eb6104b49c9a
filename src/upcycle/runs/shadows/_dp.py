"""The DP-SGD comparator inside one shadow pipeline."""

from __future__ import annotations

from torch import nn

from upcycle.audit import DP_MODEL
from upcycle.data import ImageSet
from upcycle.dp import DpSettings, train_private
from upcycle.nets import Augmentation
from upcycle.runs.stages import Bench


def private_classifiers(bench: Bench, members: ImageSet, how: DpSettings) -> tuple[dict[str, nn.Module], dict[str, float]]:
    """A classifier per noise multiplier by its name, and the epsilon of each as a fact.

    They see the images as they are: flips that a probe allowed would be a choice on the members that epsilon does not cover,
    and shifts cost more than they gave (0.79 instead of 0.92 on digits), since every view's gradient is clipped by itself.
    """
    recipe = bench.recipe(max(1, round(bench.plan.budget.teacher * how.budget)), Augmentation())
    nets, facts = dict[str, nn.Module](), dict[str, float]()
    for noise in how.noises:
        name = f"{DP_MODEL}{noise:g}"
        fitted = train_private(members, recipe, how, noise, seed=bench.config.seed, stage=name)
        nets[name], facts[f"epsilon of {name}"] = fitted.net, fitted.epsilon
    return nets, facts
