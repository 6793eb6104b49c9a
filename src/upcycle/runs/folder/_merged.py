"""What an audit by shadow pipelines left in a run, and how it is merged with the run's own audit and made public."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from upcycle._files import check_hash, read_json, read_record
from upcycle.audit import merge_audits
from upcycle.errors import DamagedFileError
from upcycle.runs.folder._stages import read_record as read_stage

PIPELINES: Final = "pipeline.json"
PIPELINES_MANIFEST: Final = "pipeline-manifest.json"  # the hashes of what that audit left, next to it
AUDIT_AGAIN: Final = "Run the upcycle audit --budget command of this run again: finished pipelines are kept."


def pipeline_facts(private: Path) -> dict[str, Any] | None:
    """The JSON of the pipeline audit of the run with this private half, None where none was made. Raises DamagedFileError."""
    folder = private / "audit"
    if not (folder / PIPELINES).exists() and not (folder / PIPELINES_MANIFEST).exists():
        return None
    check_pipelines(folder)
    return dict(read_json(folder / PIPELINES))


def check_pipelines(folder: Path) -> None:
    """Raise DamagedFileError unless every file of the audit by shadow pipelines in `folder` is as it was written."""
    try:
        known = read_record(folder / PIPELINES_MANIFEST, "files")["files"]
        for name, hashed in known.items():
            check_hash(folder / name, hashed)
    except DamagedFileError as error:
        raise DamagedFileError(error.path, error.got, AUDIT_AGAIN) from error


def led(audit: Mapping[str, Any], pipelines: Mapping[str, Any] | None) -> dict[str, Any]:
    """The run's audit, led by the merged verdict of both audits, whose parts are under "merged"; as it is without pipelines.

    Its rows, controls and verdicts stay its own.
    """
    if pipelines is None:
        return dict(audit)
    merged = merge_audits(audit, pipelines)
    lead = {"verdict": merged.verdict, "line": merged.line, "sentence": merged.sentence}
    return {**audit, **lead, "merged": merged.to_json()}


def public_facts(private: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What may be said of the audit of the run with this private half and of the check for copies: None for each not made.

    With shadow pipelines the audit is led by the merged verdict and holds theirs whole, apart from its own, as "pipelines".
    """
    from upcycle.report import Evidence

    own, copies = (_finished(private / stage / f"{stage}.json") for stage in ("audit", "copies"))
    pipelines = pipeline_facts(private)
    shown = Evidence(title="", audit=led(own, pipelines) if own else None, copies=copies, pipelines=pipelines).shareable()
    more = {"pipelines": shown.pipelines} if shown.pipelines else {}
    return {**shown.audit, **more} if shown.audit else None, dict(shown.copies) if shown.copies else None


def _finished(path: Path) -> dict[str, Any] | None:
    """The JSON of a finished stage."""
    if read_stage(path.parent) is None or (path.stem == "copies" and not path.exists()):  # no image leaves, none was checked
        return None
    return dict(read_json(path))
