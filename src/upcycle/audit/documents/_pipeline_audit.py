"""The shape of pipeline.json, what an audit by shadow pipelines found."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, ClassVar, Literal, get_type_hints

from pydantic import ConfigDict

from upcycle._arguments import typed
from upcycle.audit.attacks import AttackCard
from upcycle.audit.documents._document import STRICT, EndpointDocument, read, schema_of
from upcycle.audit.pipeline_audit import (
    KEPT_INSIDE,
    SCHEMA,
    AuditFacts,
    CanaryBound,
    CanaryCost,
    CopyTest,
    DpComparator,
    LabelTest,
    SetShare,
    WorstRecord,
)
from upcycle.audit.pipelines import AuditPlan
from upcycle.audit.verdict import ControlDocument, RowDocument, Verdict, Word


@dataclass(frozen=True)
class MarginsDocument:
    """NO LEAK FOUND needs the primary endpoint's upper limit below its margin, the positive control's lower limit above it."""

    auc: float
    tpr_at_1pct: float


_HINTS = get_type_hints(AuditPlan)
PublicPlan = make_dataclass(
    "PublicPlan",
    [(f.name, _HINTS[f.name], field(default=f.default)) for f in fields(AuditPlan) if f.name not in KEPT_INSIDE],
    frozen=True,
)


@dataclass(frozen=True)
class ReleasedFacts:
    """What a release says of the pipelines: records audited, canaries of each kind, and how many versions of the code ran
    them."""

    records: int
    canaries: dict[str, int]
    code_versions: int


@dataclass(frozen=True)
class ReleasedPipelines:
    """An audit by shadow pipelines as a release holds it."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    schema: Literal[SCHEMA]  # type: ignore[valid-type]  # of this format
    verdict: Word  # of the student
    line: str  # the verdict in a few words
    sentence: str  # why, and what the audit could have seen
    primary_endpoint: str  # in words
    endpoint: EndpointDocument  # what decides the verdict
    scope: str  # what the audit is about
    margins: MarginsDocument  # below which limits mean no leak
    plan: PublicPlan  # type: ignore[valid-type]  # what was fixed beforehand
    verdicts: list[Verdict]  # of every target
    rows: list[RowDocument]  # every attack on every target and population
    controls: list[ControlDocument]  # checks of the audit itself
    permutation: list[LabelTest]  # tests of planted labels
    attacks: list[AttackCard]  # what each attack is
    copies: CopyTest | None  # of members in the synthetic sets; None: not tested
    facts: ReleasedFacts  # what was counted
    worst: list[WorstRecord] = field(default_factory=list, kw_only=True)  # how well any record is told; none in older audits
    networks: str = field(default="", kw_only=True)  # which networks the pipelines had, in a sentence; empty in older audits


@dataclass(frozen=True)
class PublicPipelines(ReleasedPipelines):
    """An audit by shadow pipelines without its secret seed."""

    facts: AuditFacts  # type: ignore[assignment]
    one_run: list[CanaryBound]
    sets: list[SetShare]
    canary_costs: list[CanaryCost]
    notes: list[str]
    dp_comparator: DpComparator | None


@dataclass(frozen=True)
class Pipelines(PublicPipelines):
    """An audit by shadow pipelines as it stands in private/audit/pipeline.json."""

    plan: AuditPlan


def pipeline_schema() -> dict[str, Any]:
    """The JSON schema of private/audit/pipeline.json, `PipelineAudit.to_json()`."""
    return schema_of(Pipelines, SCHEMA)


@typed()
def check_pipeline_audit(document: Mapping[str, Any], *, public: bool = False) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not `PipelineAudit.to_json(public=public)` of this version."""
    read(PublicPipelines if public else Pipelines, document)
