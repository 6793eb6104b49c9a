"""The stages before anything leaves: what a release is made of, the check for copies, and the release itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from upcycle._arguments import typed
from upcycle._distinct import distinct
from upcycle._files import read_record as read_noted
from upcycle._files import write_record
from upcycle._random import derive_seed
from upcycle._settings import with_settings
from upcycle.audit.copies import DistanceHistogram, distance_histogram
from upcycle.data import Store, sealed
from upcycle.errors import DamagedFileError
from upcycle.generators import GeneratorFactory
from upcycle.nets import ClassifierFactory, ResidualClassifier, to_input
from upcycle.recycle import label_prior
from upcycle.release import (
    RESIDUAL,
    Budget,
    Material,
    Prior,
    Released,
    ReleaseOptions,
    image_hash,
    permit,
    refusal,
    replace_files,
    withhold,
    write_release,
)
from upcycle.runs.folder import RELEASE_OPTIONS, check_release, environment, public_facts, read_record, stage_records
from upcycle.runs.stages._audit import judged_files
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._distilled import distilling
from upcycle.runs.stages._dossier import write_dossier
from upcycle.runs.stages._gate import groups_of
from upcycle.runs.stages._networks import student_config
from upcycle.runs.stages._prepare import prepare
from upcycle.runs.watch import Display

_LOG = logging.getLogger("upcycle")


@typed()
def release_run(
    run: str | Path,
    options: ReleaseOptions | None = None,
    *,
    gate: Mapping[str, object] | None = None,
    dossier: bool = False,
    display: Display | None = None,
    network: ClassifierFactory | None = None,
    generator: GeneratorFactory | None = None,
) -> Released:
    """Make RUN/release again, as `options` say; an earlier release is replaced when the new one is whole.

    Raises RunFolderError for a folder without a finished student, ReleaseError where the audit is missing or says no and no
    risk was accepted. `gate`: settings gate.* in place of the run's, by name. `dossier`: also write the page for whoever signs,
    in the private half where nothing may leave. A run with a `network` or `generator` of the user's needs them again.
    """
    options = options or ReleaseOptions()
    with prepare(None, Path(run), needs="student", display=display, network=network, generator=generator) as bench:
        bench = _with_budget(bench, gate or {})
        store = bench.folder.open_store()
        budget, audit = budget_of(bench, store), public_facts(bench.folder.private)[0]
        if dossier and refusal(audit, budget) is not None and options.accept_risk is None:
            bench.display.note(f"dossier: {write_dossier(bench, budget, None)}")
        permit(audit, options.accept_risk, budget)  # before any work
        options = _with_generator(bench, options)
        bench.display.stage("release", options.images)
        _keep(bench, options, gate or {})
        released = _release(bench, store, options)
        bench.folder.log(f"release: {options.images} images as {', '.join(options.formats)}, verdict {released.given.verdict}")
        if not dossier:
            return released
        return replace(released, dossier=write_dossier(bench, budget, options.accept_risk), files=released.files + 1)


def release_stage(bench: Bench, store: Store) -> Facts:
    """The default release of a run, or the reason why nothing leaves."""
    options = _of_run(bench)
    _keep(bench, options, {})
    audit, _ = public_facts(bench.folder.private)
    budget = budget_of(bench, store)
    if refusal(audit, budget) is not None:
        return {"withheld": withhold(bench.folder.release, audit, budget), "synthetic_images": 0}
    released = _release(bench, store, options)
    return {"synthetic_images": options.images, "left_out": released.left_out}


def mend_release(bench: Bench, store: Store) -> None:
    """Make the release again, as it was last asked for, where a file of it is damaged, lost or not of the audited student."""
    folder, (options, gate) = bench.folder, _kept(bench)
    try:
        check_release(folder, stage_records(folder.private))
        return
    except DamagedFileError as error:
        _LOG.warning("release is made again: %s is damaged or lost (got %s)", error.path, error.got)
    bench = _with_budget(bench, gate)
    audit, budget = public_facts(folder.private)[0], budget_of(bench, store)
    if refusal(audit, budget) is not None and options.accept_risk is None:
        withhold(folder.release, audit, budget)
    else:
        _release(bench, store, options)
    check_release(folder, stage_records(folder.private))


def _with_budget(bench: Bench, gate: Mapping[str, object]) -> Bench:
    """The bench with these settings gate.* in place of the run's."""
    return replace(bench, config=with_settings(bench.config, gate))


def _of_run(bench: Bench) -> ReleaseOptions:
    """What the settings of the run ask for."""
    how = bench.config.release
    programs = None if how.programs else False
    return _with_generator(bench, ReleaseOptions(images=how.synthetic_images, onnx=programs, torch_export=programs))


def _with_generator(bench: Bench, options: ReleaseOptions) -> ReleaseOptions:
    """The options, with the generator of the run's settings where they leave that open; none where no set leaves."""
    of_run = bench.config.release.distilled if options.images else 0
    return options if options.distilled is not None else replace(options, distilled=of_run)


def _keep(bench: Bench, options: ReleaseOptions, gate: Mapping[str, object]) -> None:
    """Note what was asked for, for `mend_release`."""
    bench.folder.stage("release")  # a run that was stopped after its audit has none yet
    write_record(bench.folder.document("release", RELEASE_OPTIONS), {**asdict(options), "gate": dict(gate)})


def _kept(bench: Bench) -> tuple[ReleaseOptions, Mapping[str, object]]:
    """What was asked for last, and by which budget; what a run ends with, noted and said, where that is not known any more."""
    path = bench.folder.document("release", RELEASE_OPTIONS)
    try:
        found = read_noted(path)
        gate = found.pop("gate")
        return ReleaseOptions(**{**found, "formats": tuple(found["formats"])}), gate
    except (DamagedFileError, TypeError, KeyError):
        options = _of_run(bench)
        _keep(bench, options, {})
        _LOG.warning("%s was damaged or lost: a release that must be made again will be the one that a run ends with", path)
        return options, {}


def place_report(bench: Bench) -> None:
    """Put the shareable report into the release, if there is one."""
    folder = bench.folder
    if (folder.release / "student").exists():
        replace_files(folder.release, {folder.released_report.name: folder.shareable_report.read_bytes()})


def shareable_report(bench: Bench) -> Path:
    """Where the shareable report is: in the release, or on the closed side where that was withheld."""
    placed = bench.folder.released_report
    return placed if placed.exists() else bench.folder.shareable_report


def _release(bench: Bench, store: Store, options: ReleaseOptions) -> Released:
    """The release, written while the private store is sealed; hashes of its images are all that is known of it."""
    check_judged(bench)
    leaving = replace(material(bench, store, options.prior), budget=budget_of(bench, store))
    if options.images:
        leaving = replace(leaving, private_hashes=_hashes(store), compare=_comparing(store, bench.config.seed))
    if options.distilled:
        held_out = store.validation()
        leaving = replace(leaving, distil=distilling(bench, replace(held_out, images=np.array(held_out.images))))

    def drawn(count: int) -> None:
        bench.display.advance(count, {})

    with sealed(bench.folder.store):
        return write_release(bench.folder.release, leaving, options, report=drawn)


def check_judged(bench: Bench) -> None:
    """Raise DamagedFileError where the student, generator or settings about to leave are not those that the audit judged."""
    record = read_record(bench.folder.private / "audit")
    if record is None:
        return  # `permit` has asked for a reason to release without an audit
    for name, now in judged_files(bench).items():
        if record.facts["judged"].get(name) != now:
            path = bench.folder.config_file if name == "settings" else bench.folder.private / name
            raise DamagedFileError(path, f"another {name} than the one that was audited")


def _hashes(store: Store) -> frozenset[bytes]:
    """Of every private image that some model may have seen; the test split is read by the evaluation only."""
    splits = (store.members(), store.non_members(), store.validation())
    return frozenset(image_hash(image) for split in splits for image in split.images)


def budget_of(bench: Bench, store: Store) -> Budget:
    """What the settings `gate.*` let out of this run: of its patients, or of its members where these are independent."""
    members = store.members()
    groups = members.groups
    people = len(members) if groups is None else len(distinct(groups))
    return Budget(bench.config.gate, people, "records" if groups is None else "patients")


def _comparing(store: Store, seed: int) -> Callable[[np.ndarray], DistanceHistogram | None]:
    """How members and non-members lie to a set that does not exist yet: they are in memory before the store is sealed."""
    inside, outside = store.members(), store.non_members()
    groups = groups_of(inside, outside)
    return lambda images: distance_histogram(images, inside.images, outside.images, groups, seed=seed)


def material(bench: Bench, store: Store, prior: Prior) -> Material:
    """What the release is made of. Nothing in it is about a single record."""
    bench, student = bench.tuned(), bench.classifier("student")
    seed = derive_seed(bench.config.seed, "release")  # not the bank's: no released image was one the student learned from
    sampler, labelled = replace(bench.sampler(), seed=seed), soft_labels_of(bench)
    labels = bench.asked_labels()
    audit, copies = public_facts(bench.folder.private)
    evaluation = read_record(bench.folder.private / "evaluation")

    return Material(
        student=student.cpu(),
        architecture=_architecture(bench, student),
        channels=bench.shape.channels,
        size=bench.shape.size,
        classes=bench.shape.classes,
        class_names=_class_names(bench),
        draw=sampler.draw_classes,
        soft_labels=labelled,
        shares=label_prior(labels, bench.shape.classes, 1.0 if prior == "members" else 0.0),
        audit=audit,
        evaluation=None if evaluation is None else evaluation.facts,
        copies=copies,
        preprocess=store.meta.preprocess,
        report=bench.folder.shareable_report,
        judged=_judged(bench),
        versions={"upcycle": environment()["upcycle"], "torch": environment()["libraries"]["torch"]},
        temperature=bench.config.student.temperature,
        levels=bench.config.student.levels,
    )


def _judged(bench: Bench) -> dict[str, str]:
    """The hashes that the audit names of what leaves, or of what that was made from; empty without an audit."""
    record = read_record(bench.folder.private / "audit")
    named = {} if record is None else record.facts["judged"]
    return {name: named[name] for name in ("student", "generator", "settings") if name in named}


def soft_labels_of(
    bench: Bench, temperature: float | None = None, *, rounded: bool = True
) -> Callable[[np.ndarray], np.ndarray]:
    """uint8 images (n, side, side, channels) to soft labels float32 (n, classes), as `Bench.soft_labeller` says."""
    labeller, origin = bench.soft_labeller(temperature, rounded=rounded), bench.origin()
    unused = torch.empty(0, dtype=torch.int64)

    def label(images: np.ndarray) -> np.ndarray:
        views = to_input(torch.from_numpy(np.ascontiguousarray(images)), bench.device)
        source = unused if origin is None else torch.from_numpy(origin(images)).to(bench.device)
        return np.asarray(labeller(views, unused, source).float().cpu().numpy())

    return label


def _architecture(bench: Bench, student: nn.Module) -> dict[str, Any]:
    """What can be said of a network: its size, and its structure where it is of our family."""
    shape, built = bench.shape, student_config(bench.config)
    sizes = {"channels": shape.channels, "size": shape.size, "classes": shape.classes}
    learned = read_record(bench.folder.private / "student")
    if learned is not None and "border" in learned.facts:
        sizes["border"] = round(learned.facts["border"], 4)
    if not isinstance(student, ResidualClassifier):
        return {"network": type(student).__name__, **sizes}
    return {"network": RESIDUAL, "width": built.width, "blocks": built.blocks, **sizes}


def _class_names(bench: Bench) -> tuple[str, ...]:
    data = read_record(bench.folder.private / "data")
    return () if data is None else tuple(map(str, data.facts["class_names"]))
