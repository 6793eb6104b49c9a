"""What an audit by shadow pipelines left beside a run, and how it joins the run's own audit in what is shown and may leave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from upcycle.audit import merge_audits

PIPELINES: Final = "pipeline.json"


def pipeline_facts(private: Path) -> dict[str, Any] | None:
    """The JSON of the pipeline audit of the run with this private half, None where none was made."""
    path = private / "audit" / PIPELINES
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def led(audit: Mapping[str, Any], pipelines: Mapping[str, Any] | None) -> dict[str, Any]:
    """The run's audit, led by the merged verdict of both audits, whose parts are under "merged"; as it is without pipelines.

    Its rows, controls and verdicts stay its own.
    """
    if pipelines is None:
        return dict(audit)
    merged = merge_audits(audit, pipelines)
    lead = {"verdict": merged.verdict, "line": merged.line, "sentence": merged.sentence}
    return {**audit, **lead, "merged": merged.to_json()}
