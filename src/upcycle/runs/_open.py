"""Reopen a run whose stages have finished, to go on from them: another student, another search."""

from __future__ import annotations

from pathlib import Path

from upcycle._machine import choose_device, tune_process
from upcycle.data import Store
from upcycle.errors import RunFolderError
from upcycle.generators import ImageShape
from upcycle.nets import ClassifierFactory
from upcycle.runs._display import Display, SilentDisplay
from upcycle.runs._folder import RunFolder, read_config
from upcycle.runs._networks import networks_of
from upcycle.runs._plan import Plan
from upcycle.runs._stages import read_record
from upcycle.runs._steps import Bench


def open_bench(
    root: Path, *, needs: str = "generator", display: Display | None = None, network: ClassifierFactory | None = None
) -> tuple[Bench, Store]:
    """The bench and the private store of the run in `root`, with its own settings. A run with a `network` of the user's needs
    it again.

    Raises RunFolderError unless its stage `needs` has finished.
    """
    folder = RunFolder(root)
    plan, done = read_record(folder.private / "plan"), read_record(folder.private / needs)
    if plan is None or done is None:
        raise RunFolderError(
            f"run must have finished its {needs}. Got {root}, which has not. Run upcycle run --out {root} first."
        )
    config, store = read_config(root / "config.yaml"), Store(folder.store)
    tune_process(config.threads)
    shape = ImageShape(store.meta.channels, store.meta.size, len(store.meta.class_names))
    device, built = choose_device(config.device), networks_of(config, network)
    return Bench(folder, config, shape, device, display or SilentDisplay(), built, Plan.from_json(plan.facts)), store
