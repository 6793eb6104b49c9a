"""The frozen outcome of an audit of scores. What leaves as JSON holds nothing about single records."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from upcycle.audit.attacks import AttackCard
from upcycle.audit.verdict import Control, Endpoint, Judged, Row, flat_control, flat_row, plain

SCHEMA_VERSION: Final = 3
SCHEMA: Final = f"upcycle-audit/{SCHEMA_VERSION}"


@dataclass(frozen=True, eq=False)
class AuditResult(Judged):
    """What an audit of scores found.

    Attributes:
        rows: every attack on every target.
        controls: the negative ones first.
        cards: what each attack is.
        endpoint: the primary one, declared beforehand.
        folds: of the learned attacks.
        confidence: level of every interval.
        seed: of folds and controls.
        arrays: per-record scores, which stay with the data; everything else may be shown.
        notes: what was recognised or left out.
    """

    rows: tuple[Row, ...]
    controls: tuple[Control, ...]
    cards: tuple[AttackCard, ...]
    endpoint: Endpoint
    folds: int
    confidence: float
    seed: int
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    notes: tuple[str, ...] = ()

    def row(self, target: str, attack: str | None = None) -> Row:
        """The row of one attack (None: the primary one) on one target. Raises KeyError."""
        attack = self.endpoint.attack if attack is None else attack
        for row in self.rows:
            if (row.part.name, row.attack) == (target, attack):
                return row
        raise KeyError((target, attack))

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable and free of per-record data, as `audit_schema` describes it; `schema` changes when a field
        changes its meaning."""
        words = {v.target: v.verdict for v in self.verdicts}
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "line": self.line,
            "sentence": self.sentence,
            "primary_endpoint": str(self.endpoint),
            "endpoint": {**asdict(self.endpoint), "chance": self.endpoint.chance, "margin": self.endpoint.margin},
            "plan": {"folds": self.folds, "confidence": self.confidence, "seed": self.seed},
            "verdicts": [plain(v) for v in self.verdicts],
            "rows": [asdict(flat_row(row, words[row.part.name])) for row in self.rows],
            "controls": [plain(flat_control(c)) for c in self.controls],
            "attacks": [plain(card) for card in self.cards],
            "notes": list(self.notes),
        }

    def scores_arrays(self) -> dict[str, np.ndarray]:
        """Per-record arrays for the run's closed half: "<target>/<attack>" scores (n,), higher = more member, and
        "<target>/risk": cross-fitted probability of membership (n,). Never for release."""
        return dict(self.arrays)

    def __str__(self) -> str:
        target, endpoint = self.headline.target, self.endpoint
        found = self.row(target).statistic(endpoint.statistic)
        return f"{self.line}: {target} {endpoint.attack} {endpoint.statistic} {found}, {len(self.rows)} attacks run"
