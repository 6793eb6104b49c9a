"""Other teachers than a run's own, for steps that ask whether a better one pays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import nn

from upcycle._settings import with_settings
from upcycle.data import Store
from upcycle.recycle import train_classifier
from upcycle.runs.stages import Bench, learned, networks_of


@dataclass(frozen=True)
class Teaching:
    """What labels instead: the run's own teacher with `more` of other seeds, or, where `wider` or `longer` is above
    1, one of that many times its channels, or of that many times the images it saw, in its place."""

    more: int = 0
    wider: int = 1
    longer: int = 1

    @property
    def replaces(self) -> bool:
        return self.wider > 1 or self.longer > 1


TEACHINGS: Mapping[str, Teaching] = {
    "+ three teachers": Teaching(more=2),
    "+ a teacher twice as wide": Teaching(wider=2),
    "+ a teacher twice as long": Teaching(longer=2),
}


def taught(how: Teaching, bench: Bench, store: Store) -> tuple[list[nn.Module], float]:
    """The teachers of `how`, each trained on the run's members as its own was, and the minutes that took."""
    start = time.monotonic()
    own = [] if how.replaces else [bench.classifier("teacher")]
    fresh = [_teacher(how, bench, store, f"teacher-{k + 2}") for k in range(1 if how.replaces else how.more)]
    return own + fresh, (time.monotonic() - start) / 60


def _teacher(how: Teaching, bench: Bench, store: Store, stage: str) -> nn.Module:
    config = with_settings(bench.config, {"teacher.width": bench.config.teacher.width * how.wider})
    larger = replace(bench, networks=networks_of(config))
    recipe = larger.recipe(bench.plan.budget.teacher * how.longer, bench.augmentation(), stage=stage)
    return train_classifier(learned(bench, store), store.validation(), recipe, seed=config.seed, stage=stage).net
