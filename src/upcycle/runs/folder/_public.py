"""The facts of a finished run that may leave the building."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from upcycle._files import read_json
from upcycle.runs.folder._merged import led, pipeline_facts
from upcycle.runs.folder._stages import read_record


def public_facts(private: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What may be said of the audit of the run with this private half and of the check for copies: None for each not made.

    With shadow pipelines the audit is led by the merged verdict and holds theirs whole, apart from its own, as "pipelines".
    """
    from upcycle.report import Evidence

    own, copies = (_finished(private / stage / f"{stage}.json") for stage in ("audit", "copies"))
    pipelines = pipeline_facts(private)
    shown = Evidence(title="", audit=led(own, pipelines) if own else None, copies=copies, pipelines=pipelines).shareable()
    beside = {"pipelines": shown.pipelines} if shown.pipelines else {}
    return {**shown.audit, **beside} if shown.audit else None, dict(shown.copies) if shown.copies else None


def _finished(path: Path) -> dict[str, Any] | None:
    """The JSON of a finished stage."""
    if read_record(path.parent) is None or (path.stem == "copies" and not path.exists()):  # no image leaves, none was checked
        return None
    return dict(read_json(path))
