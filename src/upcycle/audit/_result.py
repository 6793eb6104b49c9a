"""The frozen outcome of an audit: rows, controls, verdicts. What leaves as JSON holds nothing about single records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from upcycle.audit._attacks import PRIMARY, AttackCard
from upcycle.audit._controls import Control
from upcycle.audit._verdict import MARGIN, Verdict

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True)
class AuditRow:
    """One attack on one target. Rates are fractions with two-sided limits; a TPR that cannot be resolved is None and
    its note says how many non-members it needs. `p_holm` is adjusted over the attacks on this target."""

    target: str
    threat_model: str
    population: str
    attack: str
    primary: bool
    n_members: int
    n_non_members: int
    auc: float
    auc_low: float
    auc_high: float
    tpr_at_1pct: float | None
    tpr_at_1pct_low: float | None
    tpr_at_1pct_high: float | None
    tpr_at_1pct_note: str | None
    tpr_at_01pct: float | None
    tpr_at_01pct_low: float | None
    tpr_at_01pct_high: float | None
    tpr_at_01pct_note: str | None
    p_value: float
    p_holm: float


@dataclass(frozen=True, eq=False)
class AuditResult:
    """What an audit found. `arrays` holds per-record scores and stays with the data; everything else may be shown."""

    rows: tuple[AuditRow, ...]
    controls: tuple[Control, ...]
    verdicts: tuple[Verdict, ...]
    cards: tuple[AttackCard, ...]
    folds: int
    confidence: float
    seed: int
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    @property
    def headline(self) -> Verdict:
        """The verdict on the student, or on the first target where there is none."""
        return next((v for v in self.verdicts if v.target == "student"), self.verdicts[0])

    @property
    def verdict(self) -> str:
        """LEAKS, NO LEAK FOUND, INCONCLUSIVE or INVALID."""
        return self.headline.verdict

    @property
    def sentence(self) -> str:
        """What stands beside the verdict: why, and what the audit could have seen."""
        return self.headline.sentence

    def row(self, target: str, attack: str = PRIMARY) -> AuditRow:
        """The row of one attack on one target. Raises KeyError."""
        for row in self.rows:
            if (row.target, row.attack) == (target, attack):
                return row
        raise KeyError((target, attack))

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable and free of per-record data; `schema_version` changes when a field changes its meaning."""
        words = {v.target: v.verdict for v in self.verdicts}
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "primary_endpoint": f"AUC of the {PRIMARY} attack",
            "margin": MARGIN,
            "plan": {"folds": self.folds, "confidence": self.confidence, "seed": self.seed},
            "verdicts": [asdict(v) for v in self.verdicts],
            "rows": [{**asdict(row), "verdict": words[row.target]} for row in self.rows],
            "controls": [asdict(c) for c in self.controls],
            "attacks": [asdict(card) for card in self.cards],
        }

    def scores_arrays(self) -> dict[str, np.ndarray]:
        """Per-record arrays for the run's closed half: "<target>/<attack>" scores (n,), higher = more member, and
        "<target>/risk": cross-fitted probability of membership (n,). Never for release."""
        return dict(self.arrays)

    def __str__(self) -> str:
        target = self.headline.target
        row = self.row(target)
        limits = f"{row.auc:.3f} [{row.auc_low:.3f}, {row.auc_high:.3f}]"
        return f"{self.verdict}: {target} {PRIMARY} AUC {limits}, {len(self.rows)} attacks run"
