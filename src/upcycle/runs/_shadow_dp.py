"""The DP-SGD comparator inside one shadow pipeline."""

from __future__ import annotations

from torch import nn

from upcycle.audit import DP_MODEL
from upcycle.data import ImageSet
from upcycle.dp import DpSettings, train_private
from upcycle.recycle import choose_augmentation
from upcycle.runs._steps import Bench


def private_classifiers(bench: Bench, members: ImageSet, how: DpSettings) -> tuple[dict[str, nn.Module], dict[str, float]]:
    """A classifier per noise multiplier by its name, and the epsilon of each as a fact.

    Their views are those that need no look at the members: flips that only a probe could allow are left out, since epsilon
    would not cover that choice.
    """
    views = choose_augmentation(bench.config.augment, bench.shape.size, [])
    recipe = bench.recipe(max(1, round(bench.plan.budget.teacher * how.budget)), views)
    nets, facts = dict[str, nn.Module](), dict[str, float]()
    for noise in how.noises:
        name = f"{DP_MODEL}{noise:g}"
        fitted = train_private(members, recipe, how, noise, seed=bench.config.seed, stage=name)
        nets[name], facts[f"epsilon of {name}"] = fitted.net, fitted.epsilon
    return nets, facts
