"""Which records the student gives away, how surely, and how few of them carry the leakage: over all pipelines of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.pipeline_audit._attacked import Attacked
from upcycle.audit.pipelines import Design
from upcycle.audit.statistics import RecordRisk, record_risk

LEAST: Final = 8  # pipelines: four had the record, and their mean has limits that mean something


LISTED: Final = 50


_TARGET: Final = "student"


@dataclass(frozen=True, eq=False)
class StudentRisk:
    """`risk` of the real records `rows` (n,) of the audit, canaries left out, each mean at the level `confidence`. All but
    `facts` is about single records and stays with the private data."""

    rows: np.ndarray
    risk: RecordRisk
    confidence: float

    @property
    def exposed(self) -> int:
        """Records whose lower limit lies above the prior."""
        return int((self.risk.low > self.risk.prior).sum())

    def top(self, count: int = LISTED) -> np.ndarray:
        """Rows of the audit (at most `count`,) at highest risk, the surest first."""
        return np.asarray(self.rows[self.risk.top(count)])

    def facts(self) -> dict[str, float]:
        """How many records are exposed, about how many would be by luck alone, and the part of the excess risk in the top
        1 %: without any leak that is a tenth, not a hundredth, since means over few pipelines scatter."""
        return {
            "exposed, records of the student": float(self.exposed),
            "exposed, records by luck alone": round(len(self.rows) * (1 - self.confidence) / 2, 1),
            "share of all excess risk in the top 1 % of records": self.risk.concentration(0.01),
        }

    def arrays(self, records: int) -> dict[str, np.ndarray]:
        """`value`, `low` and `high` (records,), NaN for canaries, and the `top` rows, by the names of the scores' file."""
        found = {}
        for name in ("value", "low", "high"):
            whole = np.full(records, np.nan, np.float32)
            whole[self.rows] = getattr(self.risk, name)
            found[f"risk/{name}"] = whole
        return {**found, "risk/top": self.top()}


def student_risk(done: Sequence[Attacked], design: Design, attack: str, confidence: float) -> StudentRisk | None:
    """The risk by `attack`, whose scores are log likelihood ratios, on the student; None for fewer than LEAST pipelines, or
    where it was not run.

    The coin was fair, so the posterior probability of membership is 1 / (1 + exp(-ratio)).
    """
    from scipy.special import expit

    found = next((a for a in done if (a.target, a.threat_model, a.attack) == (_TARGET, "T1", attack)), None)
    if found is None or len(design.members) < LEAST:
        return None
    rows = np.flatnonzero(~design.records.canary)
    return StudentRisk(rows, record_risk(expit(found.scores[:, rows]), design.members[:, rows], confidence), confidence)
