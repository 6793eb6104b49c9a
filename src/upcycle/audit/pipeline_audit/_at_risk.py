"""Which records the student reveals, how surely, and how few of them carry the leakage: over all pipelines of an audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.attacks import RATIO, ThreatModel
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipelines import Design
from upcycle.audit.statistics import RecordRisk, record_risk
from upcycle.audit.verdict import Role

LEAST: Final = 8  # pipelines: four had the record, and their mean has limits that mean something
LISTED: Final = 50


@dataclass(frozen=True)
class Exposure:
    """How many records a student gives away.

    Attributes:
        records: those whose lower limit of risk lies above the prior.
        by_luck: about how many there are by luck: the same count over the pipelines that did not have the record, or what the
            level of the limits allows, where that is more.
        top_share: part of all excess risk that the top 1 % of records carry. Without any leak that is a tenth, not a hundredth,
            since means over few pipelines scatter.
    """

    records: int
    by_luck: int
    top_share: float


@dataclass(frozen=True, eq=False)
class StudentRisk:
    """`risk` of the real records `rows` (n,) of the audit, canaries left out, and `exposure`. All but `exposure` is about
    single records and stays with the private data."""

    rows: np.ndarray
    risk: RecordRisk
    exposure: Exposure

    def top(self, count: int = LISTED) -> np.ndarray:
        """Rows of the audit (at most `count`,) at highest risk, the surest first."""
        return np.asarray(self.rows[self.risk.top(count)])

    def arrays(self, records: int) -> dict[str, np.ndarray]:
        """`value`, `low` and `high` (records,), NaN for canaries, and the `top` rows, by the names of the scores' file."""
        found = {}
        for name in ("value", "low", "high"):
            whole = np.full(records, np.nan, np.float32)
            whole[self.rows] = getattr(self.risk, name)
            found[f"risk/{name}"] = whole
        return {**found, "risk/top": self.top()}


def student_risk(done: Sequence[AttackResult], design: Design, confidence: float) -> StudentRisk | None:
    """The risk by the calibrated attack, whose scores are log likelihood ratios, on the student; None for fewer than LEAST
    pipelines, or where it was not run.

    The coin was fair, so the posterior probability of membership is 1 / (1 + exp(-ratio)). Where densities differ by luck, it
    lies above a half for members and non-members alike, so the swapped coins say how many records luck exposes.
    """
    from scipy.special import expit

    found = next((a for a in done if _is_read(a)), None)
    if found is None or len(design.members) < LEAST:
        return None
    rows = np.flatnonzero(~design.records.canary)
    posterior, members = expit(found.scores[:, rows]), design.members[:, rows]
    risk, swapped = (record_risk(posterior, flags, confidence) for flags in (members, ~members))
    by_luck = max(_exposed(swapped), round(len(rows) * (1 - confidence) / 2))
    exposure = Exposure(_exposed(risk), by_luck, risk.concentration(0.01))
    return StudentRisk(rows, risk, exposure)


def _is_read(a: AttackResult) -> bool:
    return (a.part.role, a.threat_model, a.attack) == (Role.STUDENT, ThreatModel.LOGITS, RATIO.name)


def _exposed(risk: RecordRisk) -> int:
    return int((risk.low > risk.prior).sum())
