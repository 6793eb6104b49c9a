"""The shape of the released audit.json: the run's own audit, and that of its shadow pipelines apart from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import ConfigDict

from upcycle.audit.documents._document import STRICT, read, schema_of
from upcycle.audit.documents._merged import Merged
from upcycle.audit.documents._pipeline_audit import ReleasedPipelines
from upcycle.audit.documents._score_audit import PublicScoreAudit

RELEASED_SCHEMA: Final = "upcycle-released-audit/2"


@dataclass(frozen=True)
class ReleasedAudit(PublicScoreAudit):
    """The audit of a run as a release holds it: no seed, no single record. `verdict` is the merged one where there are two
    audits; everything else at its top is the run's own. `accepted_risk`: why it was released in spite of its verdict."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    merged: Merged | None = None
    pipelines: ReleasedPipelines | None = None
    accepted_risk: str | None = None


def released_schema() -> dict[str, Any]:
    """The JSON schema of release/audit.json."""
    return schema_of(ReleasedAudit, RELEASED_SCHEMA)


def check_released_audit(document: Mapping[str, Any]) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not the audit.json of a release by this version."""
    read(ReleasedAudit, document)
