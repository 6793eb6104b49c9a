"""What an audit by shadow pipelines left beside a run, and how it joins the run's own audit in what may leave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

PIPELINES: Final = "pipeline.json"
_SEVERITY: Final = ("INVALID", "LEAKS", "INCONCLUSIVE", "NO LEAK FOUND")
_LEAD: Final = ("verdict", "line", "sentence")
_SUFFIX: Final = " (shadow pipelines)"


def pipeline_facts(private: Path) -> dict[str, Any] | None:
    """The JSON of the pipeline audit of the run with this private half, None where none was made."""
    path = private / "audit" / PIPELINES
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def led(audit: Mapping[str, Any], pipelines: Mapping[str, Any] | None) -> dict[str, Any]:
    """The run's audit, led by the worse of its own verdict on the student and that of the pipelines."""
    if pipelines is None:
        return dict(audit)
    verdicts = audit.get("verdicts") or [audit]
    own = next((v for v in verdicts if v.get("target") == "student"), verdicts[0])
    worse = min((own, pipelines), key=lambda found: _SEVERITY.index(found["verdict"]))
    return {**audit, **{key: worse[key] for key in _LEAD if key in worse}}


def merged(release: Mapping[str, Any], public: Mapping[str, Any]) -> dict[str, Any]:
    """The released audit with the rows, controls, verdicts and attacks of the pipelines' `public` half, under names of their
    own; the worse verdict leads. An earlier pipeline audit in it is replaced."""
    lists = {
        name: [row for row in release[name] if not str(row["target"]).endswith(_SUFFIX)]
        for name in ("rows", "controls", "verdicts")
    }
    lead = led({**release, "verdicts": lists["verdicts"]}, public)
    for name, rows in lists.items():
        rows += [{**row, "target": f"{row['target']}{_SUFFIX}"} for row in public[name]]
    known = {row["name"] for row in release["attacks"]}
    attacks = [*release["attacks"], *(card for card in public["attacks"] if card["name"] not in known)]
    return {**lead, **lists, "attacks": attacks}
