"""What an audit will do, fixed before it starts: budgets, canaries, attacks, views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from upcycle._arguments import typed
from upcycle._distinct import distinct
from upcycle._random import derive_seed
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.attacks import CATALOGUE, Attack
from upcycle.audit.pipelines._canary_counts import CanaryCounts, fitted_counts
from upcycle.audit.pipelines._questions import Questions
from upcycle.data import ImageSet, units
from upcycle.errors import AuditInputError

_OF_FEW: Final = 4  # pipelines, with fewer than SMALL_CELL patients
LOOK_SHARE: Final = 0.1  # of the error; small, so that an audit that runs to the end loses almost no power


@dataclass(frozen=True)
class AuditPlan:
    """The plan of `audit`.

    Attributes:
        budget: its name.
        pipelines: runs of the whole pipeline, 1 or even; with one there is no shadow pipeline.
        canaries: how many of each kind; None: as many as these pipelines need and the data have room for.
        attacks: names of the attacks that are run; None: every one of the catalogue that fits pipelines and views.
        views: queries per record (itself, mirrored, shifted).
        synthetic: images of the released set that attacks compare, at most; copies are sought among all.
        searched: records that are searched for one by one, by the attacks that do so; 0: none.
        guessed: share of the canaries on which the one-run bound guesses, fixed before any answer is seen.
        confidence: level of every interval.
        seed: a secret; it draws canaries and membership.
        engine: local, ray://HOST:PORT or dask://HOST:PORT.
        n_jobs: runs at a time; 0: as many as the engine has cores.
        look: pipelines after which to look once and stop if the student LEAKS already; 0: never. The look spends a tenth of the
            error 1 - confidence, the end the rest.
        without_canaries: pipelines that are run again on the records as they are, only to see what canaries cost in accuracy.
    """

    budget: str = "standard"
    pipelines: int = 32
    canaries: CanaryCounts | None = None
    attacks: tuple[str, ...] | None = None
    views: int = 4
    synthetic: int = 2_000
    searched: int = 0
    guessed: float = 0.25
    confidence: float = 0.95
    seed: int = 0
    engine: str = "local"
    n_jobs: int = 0
    look: int = 0
    without_canaries: int = 0

    @property
    def shadows(self) -> int:
        """Pipelines that calibrate the attack on one: all but its own pair, whose membership would give its own away."""
        return max(self.pipelines - 2, 0)

    def planned(self, catalogue: Sequence[Attack] = CATALOGUE) -> tuple[Attack, ...]:
        """The attacks that are run, in the order of the catalogue. Raises AuditInputError for a name that it does not have."""
        known = [attack.name for attack in catalogue]
        if strangers := [name for name in self.attacks or () if name not in known]:
            raise AuditInputError(
                f"attacks must be of the catalogue: {', '.join(known)}. Got {', '.join(strangers)}. Choose among them."
            )
        fitting = (attack for attack in catalogue if attack.fits(self.pipelines, self.views))
        return tuple(attack for attack in fitting if self.attacks is None or attack.name in self.attacks)

    def questions(self, catalogue: Sequence[Attack] = CATALOGUE) -> Questions:
        """What every run is asked; its attacks are those that read more than a classifier's answers."""
        asked = tuple(attack for attack in self.planned(catalogue) if attack.needs.at_once)
        return Questions(asked, self.views, self.synthetic, self.searched)

    def looks(self) -> tuple[AuditPlan, ...]:
        """The plans by which this one is judged in turn, each with its share of the error (Bonferroni): the early look, if
        there is one, and the end. Raises AuditInputError for a look that no attack by shadow pipelines could use."""
        if not self.look:
            return (self,)
        if self.look % 2 or not 4 <= self.look < self.pipelines:
            raise AuditInputError(
                f"look must be even, at least 4 and below the {self.pipelines} pipelines. Got {self.look}. Look half-way."
            )
        error = 1 - self.confidence
        early = replace(self, pipelines=self.look, confidence=1 - LOOK_SHARE * error)
        return early, replace(self, confidence=1 - (1 - LOOK_SHARE) * error)

    def fitted(self, data: ImageSet) -> AuditPlan:
        """The same; with few pipelines where patients are so few that there are hardly more halves, and no row is made."""
        if self.pipelines <= _OF_FEW or len(distinct(units(data))) >= SMALL_CELL:
            return self
        return replace(self, pipelines=_OF_FEW, without_canaries=min(self.without_canaries, _OF_FEW), look=0)

    def canary_counts(self, data: ImageSet) -> CanaryCounts:
        """The planted canaries; where none are given, as many as these pipelines need and `data` have room for
        (`fitted_counts`)."""
        return fitted_counts(data, self.pipelines, seed=self.canary_seed) if self.canaries is None else self.canaries

    @property
    def canary_seed(self) -> int:
        """A secret as `seed` is."""
        return derive_seed(self.seed, "canaries")


BUDGETS: Mapping[str, AuditPlan] = MappingProxyType(
    {
        "smoke": AuditPlan("smoke", 1, CanaryCounts(), views=1),
        "quick": AuditPlan("quick", 1, views=4),
        "standard": AuditPlan("standard", 32, without_canaries=2),
        "full": AuditPlan("full", 64, views=6, searched=200, without_canaries=2),
    }
)


@typed()
def plan_for(budget: str, **changes: Any) -> AuditPlan:
    """The plan of a budget (smoke, quick, standard, full) with some fields changed. Raises AuditInputError."""
    if budget not in BUDGETS:
        raise AuditInputError(f"budget must be one of {', '.join(BUDGETS)}. Got {budget!r}. Choose one of them.")
    return replace(BUDGETS[budget], **changes)
