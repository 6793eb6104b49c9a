"""Tuning through its real stage where the answer is planted: a stored toy generator of which one snapshot is good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conftest import blobs
from tests.run_folders import opened
from upcycle._settings import resolve, with_settings
from upcycle._training import Report
from upcycle.data import ImageSet, from_arrays
from upcycle.generators import Draw, StoredGenerator, in_batches
from upcycle.runs import run_dataset
from upcycle.runs.stages._bench import Bench
from upcycle.runs.stages._tuning import tuning_stage

WRONG = {100: 0.9, 200: 0.6, 300: 0.0, 400: 0.6, 500: 0.9}  # images seen -> share of images that show another class
PLANTED = 300
TINY = (
    "threads=1",
    "teacher.min_images=300",
    "teacher.max_images=300",
    "generator.images=256",
    "generator.warmup_images=100",
    "bank.min_images=300",
    "bank.max_images=300",
    "student.labels=hard",
    "tuning.settings=[sampler.snapshot]",
    "tuning.candidates=5",
    "tuning.images=1500",
)


@final
class Bars(StoredGenerator):
    """Bright bars as in `blobs`, of which every snapshot puts a share that is set by hand in the place of the next class."""

    def parameter_count(self) -> int:
        return 1

    def _train(self, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report) -> None:
        for seen, share in WRONG.items():
            self.keep(seen, {"wrong": torch.tensor(share)})

    def _open(self, tensors: Mapping[str, Tensor]) -> Draw:
        width, columns = 8 // 3, torch.arange(8)

        def render(noise: Tensor, labels: Tensor, spread: float) -> Tensor:
            wrong = torch.special.ndtr(noise[:, 0, 0]) < tensors["wrong"]
            shown = torch.where(wrong, (labels + 1) % 3, labels)
            lit = (columns // width == shown[:, None])[:, None, None, :]
            levels = 30 + 150 * lit + 17 * spread * noise[:, None]
            return levels.expand(-1, 1, 8, 8) / 127.5 - 1

        return in_batches(render, (8, 8), self.shape, self.device)


@dataclass(frozen=True)
class ToyBench(Bench):
    """A bench whose generator is the toy."""

    def generator(self) -> StoredGenerator:
        return Bars(self.shape, self.device)


@dataclass(frozen=True)
class _Splits:
    inside: ImageSet
    held_out: ImageSet

    def members(self) -> ImageSet:
        return self.inside

    def validation(self) -> ImageSet:
        return self.held_out


@pytest.fixture
def planted(tmp_path: Path) -> tuple[ToyBench, _Splits]:
    config = resolve("smoke", config_file=None, overrides=TINY, seed=0)
    out = tmp_path / "run"
    run_dataset(from_arrays(*blobs(360), config=config.data, seed=0), out, config, until="generator")
    real = opened(out)
    store = real.folder.open_store()
    bench = ToyBench(**real.__dict__)
    folder = bench.folder.stage("generator")
    for path in folder.glob("snapshot-*"):
        path.unlink()
    bench.generator().fit(store.members().images, store.members().labels, seed=0, budget=500, resume=folder)
    return bench, _Splits(store.members(), store.validation())


def test_halving_finds_the_planted_snapshot_and_the_bank_is_drawn_from_it(planted: tuple[ToyBench, _Splits]) -> None:
    bench, splits = planted
    bench = replace(bench, config=with_settings(bench.config, {"tuning.strategy": "halving"}))
    facts = tuning_stage(bench, splits)
    assert bench.sampler().snapshot.images_seen == 500, "untuned, the last one is drawn from"  # type: ignore[union-attr]
    assert facts["best"] == {"sampler.snapshot": PLANTED}
    assert json.loads((bench.folder.stage("tuning") / "tuned.json").read_text()) == facts["best"]
    tuned = bench.tuned().sampler()
    assert tuned.snapshot is not None and tuned.snapshot.images_seen == PLANTED
    images, asked = tuned.draw(np.arange(60))
    bars = images[:, 0, :6, 0].reshape(60, 3, 2).mean(2)
    assert (bars.argmax(1) == asked).all()
    assert len(facts["trials"]) == 5 + 2


def test_tuning_follows_the_validation_labels_and_nothing_else(planted: tuple[ToyBench, _Splits]) -> None:
    """With the validation split relabelled as the worst snapshots draw, those win: the labels decide, not the order."""
    bench, splits = planted
    held_out = splits.validation()
    moved = replace(splits, held_out=ImageSet(held_out.images, (held_out.labels - 1) % 3))
    bench = replace(bench, config=with_settings(bench.config, {"tuning.strategy": "greedy"}))
    assert tuning_stage(bench, moved)["best"]["sampler.snapshot"] in (100, 500)
