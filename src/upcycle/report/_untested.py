"""What nobody tried on a release, as sentences: what this audit lacks first, then what no audit of this kind tries."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from upcycle._small_cell import SMALL_CELL
from upcycle.report._audit_json import AttackRow, not_attacked

_NEVER: Final = (
    "Attacks that nobody has thought of yet. Only differential privacy bounds all attacks.",
    "Attribute inference: whether an unknown property of a known record can be guessed from the student's answers.",
    "Extraction, model inversion and reconstruction: whether training images can be had from the student's weights.",
    "Linkage with other data sets, registries or images that a receiver may have.",
    "Several releases from the same records together: each was, or will be, judged alone.",
)


def untested(
    rows: Sequence[AttackRow], pipelines: Mapping[str, Any] | None, copies: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """Never fewer than five sentences. `rows`: every attack on this release; `copies`: what the search for copies found."""
    return (*_missing(rows, pipelines, copies), *_NEVER)


def _missing(rows: Sequence[AttackRow], pipelines: Mapping[str, Any] | None, copies: Mapping[str, Any] | None) -> list[str]:
    parts = [part for part in not_attacked(rows) if part != "the generator"]  # which stays inside
    only = " The images were only checked for copies." if copies and "the synthetic images" in parts else ""
    found = [f"No attack on {' and '.join(parts)}.{only}"] if parts else []
    if pipelines is None:
        found.append("No planted records, so nothing is known of the most exposed ones.")
    elif not pipelines.get("worst"):
        found.append("The worst single record: it takes several shadow pipelines, which repeat the whole run.")
    if not any(row.population.startswith("patient") for row in rows):
        found.append(f"All records of one patient together: {no_patients(pipelines)}.")
    if not copies:
        found.append("Copies of private images in the synthetic set.")
    return found


def no_patients(pipelines: Mapping[str, Any] | None) -> str:
    """Why no table speaks of patients."""
    known = ((pipelines or {}).get("facts") or {}).get("patients")
    if not isinstance(known, int):
        return "the run was not told which records belong to one patient"
    return f"{known if known >= SMALL_CELL else f'fewer than {SMALL_CELL}'} patients are too few to speak of"
