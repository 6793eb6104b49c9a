"""A whole release, made next to the old one, which it replaces when everything in it has been checked."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from upcycle._checksums import SUMS, files, write_checksums
from upcycle._files import PARTIAL, durable_swap, json_text, sweep, write_bytes
from upcycle.errors import ReleaseError
from upcycle.release._budget import Budget
from upcycle.release._cards import Contents, plain_warning, write_cards
from upcycle.release._croissant import NAME as CROISSANT
from upcycle.release._croissant import write_croissant
from upcycle.release._exports import Comparer, Comparison, Programs, check_weights, interface, write_programs
from upcycle.release._gate import Permit, permit, public_record, refusal
from upcycle.release._material import Material, ReleaseOptions
from upcycle.release._sbom import NAME as SBOM
from upcycle.release._sbom import write_sbom
from upcycle.release._student import WEIGHTS, write_facts, write_weights
from upcycle.release._synthetic import first_images, write_synthetic

REPORT: Final = "report.html"
DOSSIER: Final = "dossier.html"
GENERATOR: Final = "generator"  # the folder of one that learned from the synthetic set alone
_CARDS: Final = ("README.txt", "MODEL_CARD.md", "DATA_CARD.md", "GENERATOR_CARD.md")
_OURS: Final = frozenset({"student", "synthetic", GENERATOR, "audit.json", *_CARDS, CROISSANT, SBOM, SUMS, REPORT, DOSSIER})


@dataclass(frozen=True)
class Released:
    """What left, in short."""

    folder: Path  # where it is
    given: Permit  # the verdict it left with
    files: int  # how many
    left_out: int | None  # draws that were copies; None: no set
    exports: Mapping[str, Comparison]  # the student's forms, and how far each is from it
    missing: Mapping[str, str]  # why others could not be made
    dossier: Path | None = None  # the page for whoever signs

    def to_json(self) -> dict[str, Any]:
        """The same as plain data; `exports` is form -> largest difference of logits after loading it again,
        `missing` form -> why it was not made."""
        return {
            "schema_version": 1,
            "kind": "release",
            "folder": str(self.folder),
            "verdict": self.given.verdict,
            "accepted_risk": self.given.accepted_risk,
            "files": self.files,
            "left_out": self.left_out,
            "exports": {name: found.max_abs_difference for name, found in self.exports.items()},
            "missing": dict(self.missing),
            "dossier": None if self.dossier is None else str(self.dossier),
        }

    def lines(self) -> list[str]:
        """What to print."""
        compared = [f"{name} {found.max_abs_difference:.1g}" for name, found in self.exports.items()]
        again = [f"checked    loaded again; logits differ at most by: {', '.join(compared)}"]
        copied = [f"copies     {self.left_out} draws were private images and were left out"] if self.left_out else []
        return [
            f"verdict    {plain_warning(self.given).removeprefix('Audit verdict: ')}",
            *again,
            *[f"left out   {name}: {reason}" for name, reason in self.missing.items()],
            *copied,
            f"release    {self.files} files in {self.folder}, with cards and {SUMS}",
            *([] if self.dossier is None else [f"dossier    {self.dossier}: read it, print it, sign it"]),
        ]


def write_release(
    folder: Path, material: Material, options: ReleaseOptions, *, report: Callable[[int], None] = lambda _: None
) -> Released:
    """Make the release in `folder`, replacing an earlier one; `report` is told how many images are drawn.

    Raises ReleaseError, with the old release left as it was, if the audit says no and no one accepted the risk, where the
    folder holds files that are not ours, or where an export does not answer as the student does.
    """
    given = permit(material.audit, options.accept_risk, material.budget)
    partial = _begin(folder)
    (partial / "audit.json").write_text(
        json_text(public_record(material.audit, given, material.judged)) + "\n", encoding="utf-8"
    )
    forms = _write_models(material, options, partial / "student")
    left_out = None
    if options.images:
        left_out = write_synthetic(material, options.images, options.formats, partial / "synthetic", report)
    if material.report is not None and material.report.exists():
        shutil.copyfile(material.report, partial / REPORT)
    generator = _write_generator(material, options, partial / GENERATOR)
    contents = Contents(material, options, given, forms.made, left_out, generator)
    write_cards(contents, partial)
    if options.images:
        write_croissant(contents, partial)
    write_sbom(partial, options.licence)
    write_checksums(partial)
    durable_swap(partial, folder)
    return Released(folder, given, len(files(folder)), left_out, forms.made, forms.missing)


def withhold(folder: Path, audit: Mapping[str, Any] | None, budget: Budget | None = None) -> str:
    """Leave nothing in `folder` but the audit and the reason why nothing leaves; returns the reason."""
    reason = refusal(audit, budget)
    assert reason is not None, "withheld only where the gate refuses"
    partial = _begin(folder)
    (partial / "audit.json").write_text(json_text(dict(audit or {})) + "\n", encoding="utf-8")
    (partial / "README.txt").write_text(f"Nothing was released: {reason}\n", encoding="utf-8")
    write_checksums(partial)
    durable_swap(partial, folder)
    return reason


def _write_models(material: Material, options: ReleaseOptions, folder: Path) -> Programs:
    """Weights, facts and exports; every file that can be loaded again is, and is compared."""
    shape = (material.channels, material.size, material.size)
    facts = {
        **material.architecture,
        "class_names": list(material.class_names),
        "input": "uint8 / 127.5 - 1",
        "preprocess": material.preprocess.to_json(),
    }
    folder.mkdir()
    write_facts(facts, folder)
    write_weights(material.student, folder)
    compare = Comparer(material.student, shape)
    weights = check_weights(material.student, folder, compare)
    programs = write_programs(material, options, folder, compare)
    exports = {WEIGHTS: weights, **programs.made}
    shown = {name: found.to_json() for name, found in exports.items()}
    face = interface(material.preprocess, material.classes)
    write_facts({**facts, "programs": face, "checked": shown, "made_with": dict(material.versions)}, folder)
    return Programs(exports, programs.missing)


def _write_generator(material: Material, options: ReleaseOptions, folder: Path) -> Mapping[str, Any]:
    """What the card says of a generator that learned from the set; nothing where none was asked for."""
    if not options.distilled:
        return {}
    if material.distil is None:
        raise ReleaseError("distilled must be 0 for a release that cannot make a generator. Got another. Leave it out.")
    folder.mkdir()
    return material.distil(*first_images(material, options.images), options.distilled, folder)


def replace_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put these files, name -> content, into the release and renew its checksums, all at once: a kill leaves the old release
    or the whole new one. A dossier, which was signed for other files, goes."""
    partial = folder.with_name(f"{folder.name}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial, copy_function=_linked, ignore=shutil.ignore_patterns(SUMS, DOSSIER, *contents))
    for name, content in contents.items():
        write_bytes(partial / name, content)
    write_checksums(partial)
    durable_swap(partial, folder)


def _linked(source: str, target: str) -> str:
    """A second name for the file; a copy where the disk has no such names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def recover(folder: Path) -> None:
    """Put a release back that a kill left between two names, and remove what was half-written into it."""
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not (folder.exists() and any(folder.iterdir())):
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(old, folder)
    shutil.rmtree(old, ignore_errors=True)
    sweep(folder)


def _begin(folder: Path) -> Path:
    """An empty folder next to `folder` to work in."""
    recover(folder)
    old, partial = folder.with_name(f"{folder.name}.old"), folder.with_name(f"{folder.name}.partial")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _OURS) if folder.exists() else []
    if foreign:
        raise ReleaseError(f"{folder} must hold only what upcycle wrote. Got {', '.join(foreign[:5])} in it. Move that away.")
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial
