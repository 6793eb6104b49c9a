"""Numbers of a pipeline audit besides its rows: what was audited, how well the models do, and which code ran."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from upcycle._distinct import distinct
from upcycle.audit.pipeline_audit._at_risk import Exposure
from upcycle.audit.pipeline_audit._owners import has_patients
from upcycle.audit.pipelines import KINDS, Shadows


@dataclass(frozen=True)
class PrivateFacts:
    """A classifier by DP-SGD: its noise multiplier, and its epsilon at delta = 1 / members, mean of the pipelines."""

    noise: float
    epsilon: float


@dataclass(frozen=True)
class AuditFacts:
    """Means over the pipelines, unless something else is said.

    Attributes:
        records: audited, canaries included.
        canaries: planted of each kind.
        seconds_per_pipeline: of work.
        accuracy: of every classifier, a fraction of the real records that its pipeline was not given.
        code: version of the code that ran pipelines, and the share of them that it ran.
        reported: what the pipeline reported.
        by_dp_sgd: classifiers by DP-SGD, by name.
        exposed: records that the student gives away; None where the pipelines are too few to tell.
        patients: of the audited records; None where each record is independent.
    """

    records: int
    canaries: Mapping[str, int]
    seconds_per_pipeline: float
    accuracy: Mapping[str, float]
    code: Mapping[str, float]
    reported: Mapping[str, float]
    by_dp_sgd: Mapping[str, PrivateFacts]
    exposed: Exposure | None = None
    patients: int | None = None

    @property
    def real(self) -> int:
        """Records that are no canary."""
        return self.records - sum(self.canaries.values())


def audit_facts(shadows: Shadows, exposed: Exposure | None) -> AuditFacts:
    """The facts of all pipelines."""
    records, facts = shadows.design.records, shadows.facts
    private = {name: np.mean([f.private[name] for f in facts], axis=0) for name in (facts[0].private if facts else ())}
    return AuditFacts(
        len(records),
        {kind: int((records.kind == kind).sum()) for kind in KINDS},
        float(shadows.seconds.mean()),
        _means([f.accuracy for f in facts]),
        {code: float(np.mean([made == code for made in shadows.code])) for code in sorted(set(shadows.code))},
        _means([f.reported for f in facts]),
        {name: PrivateFacts(float(noise), float(epsilon)) for name, (noise, epsilon) in private.items()},
        exposed,
        len(distinct(shadows.design.units)) if has_patients(shadows.design) else None,
    )


def compared_note(shadows: Shadows) -> tuple[str, ...]:
    """What is said where not all of a released set was compared."""
    cut = [f for f in shadows.facts if f.compared < f.released]
    if not cut:
        return ()
    return (
        f"synthetic set: {cut[0].compared:,} of {cut[0].released:,} images, drawn at random, were compared by density, label "
        "mass, probe and neighbours; copies were sought among all.",
    )


def _means(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(name for facts in found for name in facts)
    return {name: float(np.mean([facts[name] for facts in found if name in facts])) for name in names}
