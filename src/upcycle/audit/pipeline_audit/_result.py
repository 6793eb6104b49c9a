"""The frozen outcome of a pipeline audit. What leaves as JSON holds nothing about single records."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from upcycle.audit.attacks import AttackCard
from upcycle.audit.pipeline_audit._at_risk import StudentRisk
from upcycle.audit.pipeline_audit._canary_bound import CanaryBound
from upcycle.audit.pipeline_audit._comparators import CanaryCost, dp_comparator
from upcycle.audit.pipeline_audit._copy_test import CopyTest
from upcycle.audit.pipeline_audit._facts import AuditFacts
from upcycle.audit.pipeline_audit._label_test import LabelTest
from upcycle.audit.pipeline_audit._owners import SetShare
from upcycle.audit.pipeline_audit._worst import WorstRecord
from upcycle.audit.pipelines import AuditPlan
from upcycle.audit.verdict import MARGINS, Control, Endpoint, Judged, Row, flat_control, flat_row, plain

SCHEMA: Final = "upcycle-pipeline-audit/2"
INVALID_EXIT: Final = 3
_SCOPE: Final = "shadow pipelines of this recipe with canaries; the released student was trained without any"
KEPT_INSIDE: Final = ("seed", "engine", "n_jobs")  # of a plan: with the seed canaries and members could be drawn again


@dataclass(frozen=True, eq=False)
class PipelineAudit(Judged):
    """What `audit` found.

    Attributes:
        plan: what was fixed beforehand.
        endpoint: what verdicts are read from.
        rows: every attack on every population of every part.
        controls: the negative ones first.
        permutation: tests of the canaries' labels.
        cards: what each attack is.
        facts: accuracies, canaries, code and what the pipelines reported.
        arrays: scores, membership and canaries, which stay with the private data.
        scope: what the pipeline says of itself.
        networks: which networks the pipelines had, in a sentence; empty where the pipeline does not say.
        one_run: lower limits of epsilon from the canaries of a single pipeline, on which no verdict rests.
        sets: how many records of one owner give it away.
        notes: what could not be judged or is out of the ordinary, and why.
        risk: which records the student gives away, of 8 pipelines or more; only its `exposure` ever leaves.
        canary_costs: what canaries cost in accuracy, where some pipelines ran without them, too.
        copies: records that the released sets hold to the bit, where there are any.
        worst: how well membership of any single record can be told, of student and positive control.
    """

    plan: AuditPlan
    endpoint: Endpoint
    rows: tuple[Row, ...]
    controls: tuple[Control, ...]
    permutation: tuple[LabelTest, ...]
    cards: tuple[AttackCard, ...]
    facts: AuditFacts
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    scope: str = ""
    networks: str = ""
    one_run: tuple[CanaryBound, ...] = ()
    sets: tuple[SetShare, ...] = ()
    notes: tuple[str, ...] = ()
    risk: StudentRisk | None = field(default=None, repr=False)
    canary_costs: tuple[CanaryCost, ...] = ()
    copies: CopyTest | None = None
    worst: tuple[WorstRecord, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 3 where a control failed."""
        return INVALID_EXIT if self.verdict == "INVALID" else 0

    def select(self, *, target: str | None = None, **fields: object) -> list[Row]:
        """The rows of the part called `target` whose fields have these values, such as population="canary"."""
        mine = [row for row in self.rows if target in (None, row.part.name)]
        return [row for row in mine if all(getattr(row, name) == value for name, value in fields.items())]

    def to_json(self, *, public: bool = False) -> dict[str, Any]:
        """JSON-serialisable, free of per-record data; `public` leaves out the secret seed and the machine's settings."""
        plan, words = asdict(self.plan), {v.target: v.verdict for v in self.verdicts}
        for name in KEPT_INSIDE if public else ():
            plan.pop(name)
        compared = dp_comparator(self.rows, self.facts, self.plan.pipelines)
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "line": self.line,
            "sentence": self.sentence,
            "primary_endpoint": str(self.endpoint),
            "endpoint": {**asdict(self.endpoint), "chance": self.endpoint.chance, "margin": self.endpoint.margin},
            "scope": "; ".join(filter(None, (_SCOPE, self.scope))),
            "networks": self.networks,
            "margins": {"auc": MARGINS["AUC"], "tpr_at_1pct": MARGINS["TPR@1%FPR"]},
            "plan": {**plan, "attacks": [card.name for card in self.cards]},
            "verdicts": [plain(v) for v in self.verdicts],
            "rows": [asdict(flat_row(row, words[row.part.name])) for row in self.rows],
            "controls": [plain(flat_control(c)) for c in self.controls],
            "permutation": [asdict(test) for test in self.permutation],
            "one_run": [asdict(bound) for bound in self.one_run],
            "sets": [asdict(share) for share in self.sets],
            "facts": asdict(self.facts),
            "canary_costs": [asdict(cost) for cost in self.canary_costs],
            "notes": list(self.notes),
            "attacks": [plain(card) for card in self.cards],
            "dp_comparator": None if compared is None else asdict(compared),
            "copies": None if self.copies is None else asdict(self.copies),
            "worst": [asdict(found) for found in self.worst],
        }

    def __str__(self) -> str:
        return f"{self.verdict}: {self.sentence}"
