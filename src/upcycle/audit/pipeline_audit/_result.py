"""The frozen outcome of a pipeline audit. What leaves as JSON holds nothing about single records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from upcycle.audit.attacks import RATIO, AttackCard
from upcycle.audit.pipeline_audit._at_risk import StudentRisk
from upcycle.audit.pipeline_audit._canary_bound import CanaryBound
from upcycle.audit.pipeline_audit._comparators import CanaryCost, dp_comparator
from upcycle.audit.pipeline_audit._label_test import LabelTest
from upcycle.audit.pipeline_audit._owners import EpsilonUnit, SetShare
from upcycle.audit.pipelines import AuditPlan
from upcycle.audit.verdict import AuditRow, Control, Endpoint, Verdict, headline

SCHEMA: Final = "upcycle-pipeline-audit/1"


INVALID_EXIT: Final = 3


_SCOPE = "shadow pipelines of this recipe with canaries; the released student was trained without any"


_SECRET = ("seed",)  # with it and the pool, canaries and members could be drawn again


_MACHINE = ("backend", "n_jobs")


AUC_MARGIN: Final = Endpoint("AUC", RATIO).margin


TPR_MARGIN: Final = 0.05  # not 3 %, below which 60 canaries in 32 pipelines seldom bring an upper limit (docs/concepts.md)


@dataclass(frozen=True)
class PipelineRow(AuditRow):
    """One attack on one population of one target; counts are pairs of a record and a pipeline. `p_holm` is adjusted over all
    rows and label permutation tests of the target. `epsilon_low` is `tpr_at_1pct_low` over 1 %, as a logarithm, and
    `epsilon_cap` what finding every member would have given, both with dependent pairs counted as so many independent ones as
    scatter alike (0: so few can show none). `epsilon_of` says whom the two are about: "one record"; "one record, given
    twice"; or "records that share a coin", such as all of a patient, where single ones may have a smaller epsilon."""

    verdict: str
    epsilon_of: EpsilonUnit


@dataclass(frozen=True, eq=False)
class PipelineAudit:
    """What `audit` found. `facts`: numbers of the pipelines, such as accuracy with canaries in the training data; `arrays`:
    scores, membership and canaries, which stay with the private data; `scope`: what the pipeline says of itself; `one_run`:
    lower limits of epsilon from the canaries of a single pipeline, on which no verdict rests; `sets`: how many records of one
    owner give it away; `notes`: what could not be judged or is out of the ordinary, and why; `risk`: which records the student
    gives away, of 8 pipelines or more; only its `facts` ever leave; `canary_costs`: what canaries cost in accuracy, where some
    pipelines ran without them, too."""

    plan: AuditPlan
    rows: tuple[PipelineRow, ...]
    controls: tuple[Control, ...]
    permutation: tuple[LabelTest, ...]
    verdicts: tuple[Verdict, ...]
    cards: tuple[AttackCard, ...]
    facts: Mapping[str, float]
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    scope: str = ""
    one_run: tuple[CanaryBound, ...] = ()
    sets: tuple[SetShare, ...] = ()
    notes: tuple[str, ...] = ()
    risk: StudentRisk | None = field(default=None, repr=False)
    canary_costs: tuple[CanaryCost, ...] = ()

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
        """What stands beside the verdict."""
        return self.headline.sentence

    @property
    def exit_code(self) -> int:
        """0, or 3 where a control failed."""
        return INVALID_EXIT if self.verdict == "INVALID" else 0

    def select(self, **fields: object) -> list[PipelineRow]:
        """The rows whose fields have these values, such as target="student", population="canary"."""
        return [row for row in self.rows if all(getattr(row, name) == value for name, value in fields.items())]

    def to_json(self, *, public: bool = False) -> dict[str, Any]:
        """JSON-serialisable, free of per-record data; `public` leaves out the secret seed and the machine's settings."""
        plan, beside = asdict(self.plan), dp_comparator(self.rows, self.facts, self.plan.pipelines)
        for name in (*_SECRET, *_MACHINE) if public else ():
            plan.pop(name)
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "line": self.headline.line,
            "sentence": self.sentence,
            "primary_endpoint": "TPR at 1 % false positives on mislabelled canaries; without canaries, AUC on clean records",
            "scope": "; ".join(filter(None, (_SCOPE, self.scope))),
            "margins": {"auc": AUC_MARGIN, "tpr_at_1pct": TPR_MARGIN},
            **({} if beside is None else {"dp_comparator": beside.to_json()}),
            "plan": plan,
            "verdicts": [asdict(v) for v in self.verdicts],
            "rows": [asdict(row) for row in self.rows],
            "controls": [asdict(c) for c in self.controls],
            "permutation": [test.to_json() for test in self.permutation],
            "one_run": [bound.to_json() for bound in self.one_run],
            "sets": [share.to_json() for share in self.sets],
            "facts": dict(self.facts),
            "canary_costs": [asdict(cost) for cost in self.canary_costs],
            "notes": list(self.notes),
            "attacks": [asdict(card) for card in self.cards],
        }

    def __str__(self) -> str:
        return f"{self.verdict}: {self.sentence}"
