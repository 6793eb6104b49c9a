"""The one way to open a run: every check, then the folder, held and closed to others while work goes on in it."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from upcycle._files import sweep
from upcycle._machine import choose_device, tune_process
from upcycle._private import closed_to_others, open_to_readers
from upcycle._settings import telling
from upcycle.config import Config
from upcycle.data import Dataset, Store, check, draw_members, write_store
from upcycle.errors import DamagedFileError, RunFolderError
from upcycle.generators import GeneratorFactory, ImageShape
from upcycle.nets import ClassifierFactory
from upcycle.release import recover
from upcycle.runs.folder import (
    FREE_SETTINGS,
    MANIFEST,
    RunFolder,
    check_audit_size,
    check_disk,
    check_memory,
    check_run,
    content_key,
    finished_record,
    make_folders,
    only_one,
    run_stage,
    write_sealed_config,
)
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._networks import Own, check_own, own_parts
from upcycle.runs.stages._plan import Plan, disk_bytes, make_plan, memory_bytes
from upcycle.runs.stages._road import JUDGING, reopen_generator, training_road
from upcycle.runs.stages._same_data import check_same_data
from upcycle.runs.stages._screening import check_screening
from upcycle.runs.watch import Display, SilentDisplay

_LOG = logging.getLogger("upcycle")
Flips = tuple[np.ndarray, np.ndarray]


@contextlib.contextmanager
def prepare(
    dataset: Dataset | None,
    out: Path,
    config: Config | None = None,
    *,
    needs: str = "data",
    display: Display | None = None,
    network: ClassifierFactory | None = None,
    generator: GeneratorFactory | None = None,
) -> Iterator[Bench]:
    """The bench of the run in `out`, new or to go on with, while the folder's lock is held. Without a data set and a
    configuration: of a run that has finished its stage `needs`, with its own settings. A run with a `network` or `generator` of
    the user's needs them whenever it is opened.

    Whatever does not fit raises UpcycleError before anything is written: data, settings, memory, disk, another process at work,
    a damaged file of a finished stage (which a call with the data set makes again). While the bench is in use new files are for
    their owner alone, a crash writes no core file, and warnings of all rooms reach the display and log.txt.
    """
    display, own = display or SilentDisplay(), Own(network, generator)
    if dataset is None or config is None:
        config = RunFolder(out).config()
        with _held(out, config, display) as folder:
            yield _reopened(folder, config, needs, display, own)
        return
    check_run(out, config)
    choose_device(config.device)
    own.networks(config, ImageShape(dataset.channels, dataset.size, dataset.classes))  # refuses settings that do not go with it
    flips = _checked(dataset, out, config)
    display.plan(check(dataset).lines())
    with _held(out, config, display) as folder:
        bench = _begun(folder, dataset, flips, config, display, own)
        del dataset  # the store has it: the images would stay in memory as long as the run
        yield bench


@contextlib.contextmanager
def _held(out: Path, config: Config, display: Display) -> Iterator[RunFolder]:
    """The folder, locked, its settings compared, and what a kill left in it cleared away."""
    folder = RunFolder(out)
    out.mkdir(parents=True, exist_ok=True)
    umask = os.umask(0)
    os.umask(umask)
    with only_one(out, say=display.note), closed_to_others():
        check_run(out, config)
        recover(folder.release)
        sweep(out)
        if opened := make_folders(folder, config):
            display.note(f"{folder.private}: {opened} entries could be read by others; they are closed now")
        try:
            with _told(folder, display):
                yield folder
        finally:
            open_to_readers(folder.release, umask)


@contextlib.contextmanager
def _told(folder: RunFolder, display: Display) -> Iterator[None]:
    """Warnings of all rooms go to the display and to log.txt."""

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = f"warning: {record.getMessage()}"
            display.note(line)
            folder.log(line)

    handler, logger = Told(logging.WARNING), logging.getLogger("upcycle")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _checked(dataset: Dataset, out: Path, config: Config) -> Flips:
    """Rows of members and non-members; raises before any work where data or machine do not suffice."""
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
    return flips


def _begun(folder: RunFolder, dataset: Dataset, flips: Flips, config: Config, display: Display, own: Own) -> Bench:
    store = _store(folder, dataset, config, flips)
    shape, device = ImageShape(dataset.channels, dataset.size, dataset.classes), choose_device(config.device)
    built, members = own.networks(config, shape), len(flips[0])
    splits = {"validation": len(dataset.validation), "test": len(dataset.test)}
    record, _ = run_stage(
        folder.stage("plan"),
        stage_key("plan", store, config),
        lambda: make_plan(config, shape, members, device, built, **splits).to_json(),
        say=_LOG.warning,
    )
    plan, records = Plan.from_json(record.facts), sum(len(s) for s in dataset.splits().values())
    check_own(folder.root, plan.own, own_parts(built, shape))
    _mend_config(folder, config)
    check_disk(folder.root, disk_bytes(plan.budget, shape, records, plan.generator_parameters, config.generator.snapshots))
    display.plan(plan.lines())
    bench = Bench(folder, config, shape, device, display, built, plan)
    reopen_generator(bench, store)
    return bench


def _mend_config(folder: RunFolder, config: Config) -> None:
    """Write config.yaml again where it is damaged or lost: the key of the plan has told that these are the run's settings."""
    try:
        folder.config()
    except RunFolderError:
        write_sealed_config(folder.config_file, config)
        _LOG.warning("%s was damaged or lost and is written again from this command's settings", folder.config_file)


def _store(folder: RunFolder, dataset: Dataset, config: Config, flips: Flips) -> Store:
    """The private store, with the members and non-members that were drawn before anything is trained."""
    key = content_key("store", dataset_fingerprint(dataset), config.data.model_dump(), config.audit.model_dump(), config.seed)
    check_same_data(folder, dataset, key)
    stage = folder.stage("data")

    def write() -> Facts:
        write_store(folder.store, dataset, *flips)
        return {"members": len(flips[0]), "non_members": len(flips[1]), "class_names": list(dataset.class_names)}

    run_stage(stage, key, write, say=_LOG.warning)
    try:
        store = folder.open_store()
        store.verify()
        return store
    except RunFolderError as error:
        _LOG.warning("the private store is written again: %s", error)
    (stage / MANIFEST).unlink()
    run_stage(stage, key, write)
    return folder.open_store()


def dataset_fingerprint(dataset: Dataset) -> str:
    """Hash of every image, label and group."""
    digest = hashlib.blake2b(digest_size=16)
    for split in dataset.splits().values():
        for array in (split.images, split.labels, split.groups):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def stage_key(name: str, store: Store, config: Config) -> str:
    """What a finished stage `name` must have been done under to count for this data and these settings."""
    return content_key(name, store.fingerprint, telling(config.model_dump(exclude=set(FREE_SETTINGS))))


def _reopened(folder: RunFolder, config: Config, needs: str, display: Display, own: Own) -> Bench:
    tune_process(config.threads)
    store = folder.open_store()
    plan = finished_record(folder.private / "plan")
    if plan.key != stage_key("plan", store, config):
        raise DamagedFileError(folder.config_file, "settings that the plan of this run was not made for")
    shape = ImageShape(store.meta.channels, store.meta.size, len(store.meta.class_names))
    device, built = choose_device(config.device), own.networks(config, shape)
    planned = Plan.from_json(plan.facts)
    check_own(folder.root, planned.own, own_parts(built, shape))
    bench = Bench(folder, config, shape, device, display, built, planned)
    names = ["data", "plan", *(stage.name for stage in training_road(bench, store)), *JUDGING]
    check_stages(folder, names, needs)
    reopen_generator(bench, store)
    return bench


def check_stages(folder: RunFolder, names: list[str], needs: str) -> None:
    """Raise RunFolderError unless `needs` has finished, and whatever comes before it or before another finished stage, with all
    their files as they left them."""
    found = [k for k, name in enumerate(names) if (folder.private / name / MANIFEST).exists()]
    last = names.index(needs)
    if last not in found:
        raise RunFolderError(
            f"run must have finished its {needs}. Got {folder.root}, which has not. "
            f"Run the upcycle run command of this folder first."
        )
    for name in names[: max(last, *found) + 1]:
        if not (folder.private / name / MANIFEST).exists():
            raise DamagedFileError(folder.private / name / MANIFEST, "none, although a later stage has finished")
        finished_record(folder.private / name)
