"""The frozen outcome of an audit: rows, controls, verdicts. What leaves as JSON holds nothing about single records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from upcycle.audit.attacks import AttackCard
from upcycle.audit.verdict import AuditRow, Control, Endpoint, Verdict, headline

SCHEMA_VERSION: Final = 2


SCHEMA: Final = f"upcycle-audit/{SCHEMA_VERSION}"


@dataclass(frozen=True, eq=False)
class AuditResult:
    """What an audit found. `arrays` holds per-record scores and stays with the data; everything else may be shown."""

    rows: tuple[AuditRow, ...]
    controls: tuple[Control, ...]
    verdicts: tuple[Verdict, ...]
    cards: tuple[AttackCard, ...]
    endpoint: Endpoint
    folds: int
    confidence: float
    seed: int
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    @property
    def headline(self) -> Verdict:
        """The verdict on the student, or on the first target where there is none."""
        return headline(self.verdicts)

    @property
    def verdict(self) -> str:
        """LEAKS, NO LEAK FOUND, INCONCLUSIVE or INVALID."""
        return self.headline.verdict

    @property
    def sentence(self) -> str:
        """What stands beside the verdict: why, and what the audit could have seen."""
        return self.headline.sentence

    @property
    def line(self) -> str:
        """The verdict in one line: the word, and what the audit could have seen or still needs."""
        return self.headline.line

    def row(self, target: str, attack: str | None = None) -> AuditRow:
        """The row of one attack (None: the primary one) on one target. Raises KeyError."""
        attack = self.endpoint.attack if attack is None else attack
        for row in self.rows:
            if (row.target, row.attack) == (target, attack):
                return row
        raise KeyError((target, attack))

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable and free of per-record data, as `audit_schema` describes it; `schema` changes when a field
        changes its meaning."""
        words = {v.target: v.verdict for v in self.verdicts}
        endpoint = {**asdict(self.endpoint), "chance": self.endpoint.chance, "margin": self.endpoint.margin}
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "line": self.line,
            "sentence": self.sentence,
            "primary_endpoint": str(self.endpoint),
            "endpoint": endpoint,
            "margin": self.endpoint.margin if self.endpoint.statistic == "AUC" else None,
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
        target, endpoint = self.headline.target, self.endpoint
        found = self.row(target).statistic(endpoint.statistic)
        return f"{self.line}: {target} {endpoint.attack} {endpoint.statistic} {found}, {len(self.rows)} attacks run"
