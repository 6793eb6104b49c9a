"""The whole road, from private images to an audited student; the same call resumes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from upcycle._machine import choose_device, tune_process
from upcycle.audit import MIN_RECORDS
from upcycle.config import Config
from upcycle.data import Dataset, Store, check, draw_members, read, write_store
from upcycle.errors import ConfigError, DataError
from upcycle.generators import ImageShape
from upcycle.nets import ClassifierFactory
from upcycle.runs.folder import (
    FREE_SETTINGS,
    RunFolder,
    audit_of,
    check_disk,
    check_memory,
    check_run,
    content_key,
    only_one,
    open_run,
    read_record,
    run_stage,
)
from upcycle.runs.stages import (
    Bench,
    Facts,
    Networks,
    Plan,
    Stage,
    audit_stage,
    check_screening,
    copies_stage,
    disk_bytes,
    evaluation_stage,
    headline,
    make_plan,
    memory_bytes,
    networks_of,
    release_stage,
    report_stage,
    shareable_report,
    teacher_names,
    training_road,
)
from upcycle.runs.watch import Display, SilentDisplay

UNTIL = ("teacher", "generator", "student", "audit", "report")


@dataclass(frozen=True)
class Summary:
    """What a call of `run` ends with."""

    folder: Path
    until: str
    headline: tuple[str, ...]
    next_step: str

    def lines(self) -> list[str]:
        return [*self.headline, self.next_step]


def run(
    data: str,
    out: Path,
    config: Config,
    *,
    until: str = "report",
    groups_csv: Path | None = None,
    display: Display | None = None,
    network: ClassifierFactory | None = None,
) -> Summary:
    """Do (or go on with) a run up to and including `until`, one of UNTIL.

    Raises UpcycleError before anything is written where data, settings or folder do not fit. `network` replaces the residual
    classifier of teacher, baseline and student; a resumed run must be given the same one.
    """
    if until not in UNTIL:
        raise ConfigError(f"until must be one of {', '.join(UNTIL)}. Got {until!r}.")
    check_run(out, config)
    device = choose_device(config.device)
    dataset = read(data, config=config.data, seed=config.seed, groups_csv=groups_csv)
    return _run(dataset, out, config, until, display or SilentDisplay(), network, device)


def run_dataset(
    dataset: Dataset,
    out: Path,
    config: Config,
    *,
    until: str = "report",
    display: Display | None = None,
    network: ClassifierFactory | None = None,
) -> Summary:
    """As `run`, for a data set already in memory."""
    check_run(out, config)
    return _run(dataset, out, config, until, display or SilentDisplay(), network, choose_device(config.device))


def _run(
    dataset: Dataset,
    out: Path,
    config: Config,
    until: str,
    display: Display,
    network: ClassifierFactory | None,
    device: torch.device,
) -> Summary:
    tune_process(config.threads)
    shape = ImageShape(dataset.channels, dataset.size, dataset.classes)
    image_bytes = sum(s.images.nbytes for s in dataset.splits().values())
    check_memory(memory_bytes(config, shape, image_bytes))
    check_disk(out, image_bytes + 50_000_000)
    flips = draw_members(
        dataset.train, share=config.audit.non_member_share, at_least=config.audit.min_non_members, seed=config.seed
    )
    check_audit_size(dataset, flips[1], config)
    check_screening(dataset, flips[0], config)
    display.plan(check(dataset).lines())
    folder = open_run(out, config)
    with only_one(out):
        store = _store(folder, dataset, config, flips)
        built = networks_of(config, network)
        plan = _plan(folder, store, config, shape, device, built)
        records = sum(len(s) for s in dataset.splits().values())
        check_disk(out, disk_bytes(plan.budget, shape, records, plan.generator_parameters, config.generator.snapshots))
        display.plan(plan.lines())
        bench = Bench(folder, config, shape, device, display, built, plan)
        return _walk(bench, store, until)


def check_audit_size(dataset: Dataset, non_members: np.ndarray, config: Config) -> None:
    """Raise DataError, before any work, if the coin flips leave too few non-members for the audit at the end."""
    least = max(MIN_RECORDS, 2 * config.audit.folds)
    if len(non_members) < least:
        raise DataError(
            f"non-members for the audit must be at least {least}. "
            f"Got {len(non_members)} of {len(dataset.train)} training images. Add images, or raise audit.non_member_share."
        )
    groups = dataset.train.groups
    if groups is not None and (found := len(np.unique(groups[non_members]))) < 2 * config.audit.folds:
        raise DataError(
            f"non-members for the audit must be of at least {2 * config.audit.folds} groups. Got {found}. "
            "Add groups, or lower audit.folds."
        )


def _store(folder: RunFolder, dataset: Dataset, config: Config, flips: tuple[np.ndarray, np.ndarray]) -> Store:
    """The private store, with the members and non-members that were drawn before anything is trained."""
    key = content_key("store", dataset_fingerprint(dataset), config.data.model_dump(), config.audit.model_dump(), config.seed)

    def write() -> Facts:
        write_store(folder.store, dataset, *flips)
        return {"members": len(flips[0]), "non_members": len(flips[1]), "class_names": list(dataset.class_names)}

    run_stage(folder.stage("data"), key, write)
    return Store(folder.store)


def dataset_fingerprint(dataset: Dataset) -> str:
    """Hash of every image, label and group."""
    digest = hashlib.blake2b(digest_size=16)
    for split in dataset.splits().values():
        for array in (split.images, split.labels, split.groups):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _plan(folder: RunFolder, store: Store, config: Config, shape: ImageShape, device: torch.device, networks: Networks) -> Plan:
    key = content_key("plan", store.fingerprint, config.model_dump(exclude=set(FREE_SETTINGS)))
    members = len(store.members())
    record, _ = run_stage(folder.stage("plan"), key, lambda: make_plan(config, shape, members, device, networks).to_json())
    return Plan.from_json(record.facts)


def _road(bench: Bench, store: Store) -> list[Stage]:
    return [
        *training_road(bench, store),
        Stage("audit", 0, lambda: audit_stage(bench, store)),
        Stage("evaluation", 0, lambda: evaluation_stage(bench, store)),
        Stage("copies", 0, lambda: copies_stage(bench, store)),
        Stage("release", bench.config.release.synthetic_images, lambda: release_stage(bench, store)),
        Stage("report", 0, lambda: report_stage(bench, store)),
    ]


def _walk(bench: Bench, store: Store, until: str) -> Summary:
    """Every stage up to `until`, each keyed by the configuration and the data."""
    last = teacher_names(bench.config.teachers)[-1] if until == "teacher" else until
    for stage in _road(bench, store):
        key = content_key(stage.name, store.fingerprint, bench.config.model_dump(exclude=set(FREE_SETTINGS)))
        _announced(bench, stage, key)
        if stage.name == last:
            break
    return summary_of(bench, until)


def _announced(bench: Bench, stage: Stage, key: str) -> None:
    display, folder = bench.display, bench.folder
    display.stage(stage.name, stage.total)
    record, fresh = run_stage(folder.stage(stage.name), key, stage.work)
    folder.log(f"{stage.name}: {'finished' if fresh else 'was finished'} ({record.seconds:.0f} s)")
    display.done(stage.name, record.seconds if fresh else 0.0)


def summary_of(bench: Bench, until: str) -> Summary:
    """What a run has left so far, as the lines that the command prints at its end."""
    folder = bench.folder
    if until != "report":
        command = _COMMANDS[dict(pairwise(UNTIL))[until]]
        return Summary(folder.root, until, (f"{until} is ready in {folder.root}",), f"next: {command} with the same arguments")
    evaluation = read_record(folder.stage("evaluation"))
    assert evaluation is not None, "evaluation comes before the report"
    audit = audit_of(folder.private)
    lines = (
        *headline(evaluation.facts, audit),
        f"reports           {folder.private / 'report.html'} (internal, do not share)",
        f"                  {shareable_report(bench)} (shareable)",
    )
    return Summary(folder.root, until, lines, advice(str(audit["verdict"]), folder.release))


def advice(verdict: str, release: Path) -> str:
    """The next step after an audit with this verdict."""
    if verdict == "LEAKS":
        return f"next: do not share {release}; the audit found a leak. Read the internal report"
    if verdict == "INVALID":
        return f"next: do not share {release}; a control of the audit failed. Read the internal report"
    return f"next: read the internal report and docs/sharp-edges.md, then decide whether to share {release}"


_COMMANDS = {
    "generator": "upcycle train-generator",
    "student": "upcycle distil",
    "audit": "upcycle audit",
    "report": "upcycle report",
}
