"""The shape of a run's audit.json, and of any audit of scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from pydantic import ConfigDict

from upcycle._arguments import typed
from upcycle.audit.attacks import AttackCard
from upcycle.audit.documents._document import STRICT, EndpointDocument, read, schema_of
from upcycle.audit.documents._merged import Merged
from upcycle.audit.documents._pipeline_audit import ReleasedPipelines
from upcycle.audit.score_audit import SCHEMA, SCHEMA_VERSION
from upcycle.audit.verdict import ControlDocument, RowDocument, Verdict, Word


@dataclass(frozen=True)
class PublicScorePlan:
    """What was fixed before any score was seen, without the seed."""

    folds: int
    confidence: float


@dataclass(frozen=True)
class ScorePlan(PublicScorePlan):
    """What was fixed before any score was seen."""

    seed: int


@dataclass(frozen=True)
class PublicScoreAudit:
    """An audit of scores as JSON; `verdict`, `line` and `sentence` are those of the verdict that leads."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    schema: Literal[SCHEMA]  # type: ignore[valid-type]  # of this format
    schema_version: Literal[SCHEMA_VERSION]  # type: ignore[valid-type]  # of this format
    verdict: Word  # of the target that leads
    line: str  # the verdict in a few words
    sentence: str  # why, and what the audit could have seen
    primary_endpoint: str  # in words
    endpoint: EndpointDocument  # what decides the verdict
    plan: PublicScorePlan  # what was fixed beforehand
    verdicts: list[Verdict]  # of every target
    rows: list[RowDocument]  # every attack on every target
    controls: list[ControlDocument]  # checks of the audit itself
    attacks: list[AttackCard]  # what each attack is
    notes: list[str]  # what was left out or guessed


@dataclass(frozen=True)
class ScoreAudit(PublicScoreAudit):
    """An audit of scores as it stands on the private side."""

    plan: ScorePlan


def audit_schema() -> dict[str, Any]:
    """The JSON schema of a run's audit.json on the private side; `released_schema` is that of the released one."""
    return schema_of(ScoreAudit, SCHEMA)


@typed()
def check_audit(document: Mapping[str, Any]) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not an audit.json of this version."""
    read(ScoreAudit, document)


RELEASED_SCHEMA: Final = "upcycle-released-audit/2"


@dataclass(frozen=True)
class ReleasedAudit(PublicScoreAudit):
    """The audit of a run as a release holds it: no seed, no single record. `verdict` is the merged one where there are two
    audits; everything else at its top is the run's own. `accepted_risk`: why it was released in spite of its verdict.
    `judged`: SHA-256 of what was judged: "student" is that of student/model.safetensors, "generator" that of the private
    weights that the synthetic set was drawn from, "settings" that of the recipe."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    merged: Merged | None = None
    pipelines: ReleasedPipelines | None = None
    accepted_risk: str | None = None
    judged: dict[str, str] | None = None


def released_schema() -> dict[str, Any]:
    """The JSON schema of release/audit.json."""
    return schema_of(ReleasedAudit, RELEASED_SCHEMA)


@typed()
def check_released_audit(document: Mapping[str, Any]) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not the audit.json of a release by this version."""
    read(ReleasedAudit, document)
