"""What canaries cost in accuracy (Aerni, Zhang & Tramer 2024 report both): some pipelines run again on the records as they are.

Canaries that made the models worse would make them leak like worse models; this says how far they did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from upcycle.audit._questions import ACCURACY
from upcycle.audit._shadows import Shadows


@dataclass(frozen=True)
class CanaryCost:
    """Mean accuracies of a classifier, fractions of the real records that its pipeline was not given, in `pipelines` that ran
    twice with the same members and seed; `spread`: the standard deviation of `with_canaries` over all pipelines of the audit,
    which have other members and seeds, None of a single one: differences below it say nothing."""

    classifier: str
    pipelines: int
    with_canaries: float
    without_canaries: float
    spread: float | None


def canary_costs(shadows: Shadows) -> tuple[CanaryCost, ...]:
    """One for every classifier; none where no pipeline ran without canaries."""
    found = []
    for name, without in shadows.without_canaries.items():
        whole = shadows.facts[name]
        both = float(whole[: len(without)].mean()), float(without.mean())
        spread = float(np.std(whole, ddof=1)) if len(whole) > 1 else None
        found.append(CanaryCost(name.removeprefix(ACCURACY), len(without), *both, spread))
    return tuple(found)
