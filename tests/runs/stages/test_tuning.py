"""Tuning, cleaning, gate and committee inside a run: what they choose from, and what they cannot see."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import blobs
from tests.run_folders import opened
from upcycle._settings import resolve, with_settings
from upcycle.config import Config, GanConfig, MixConfig
from upcycle.data import Dataset, ImageSet, from_arrays
from upcycle.errors import ConfigError
from upcycle.generators import Snapshot
from upcycle.runs import run_dataset
from upcycle.runs.stages._gate import warnings
from upcycle.runs.stages._networks import Networks, networks_of
from upcycle.runs.stages._tuning import choices_of

TINY = (
    "threads=1",
    "teachers=2",
    "teacher.min_images=600",
    "teacher.max_images=600",
    "generator.images=512",
    "generator.warmup_images=100",
    "generator.channels=[8,8]",
    "sampler.steps=2",
    "bank.min_images=300",
    "bank.max_images=300",
    "tuning.strategy=halving",
    "tuning.candidates=3",
    "tuning.images=300",
    "cleaning.folds=2",
    "cleaning.images=600",
    "cleaning.threshold=0.2",
)


def _config() -> Config:
    return resolve("smoke", config_file=None, overrides=TINY, seed=0)


def _data(*, test_seed: int | None = None) -> Dataset:
    images, labels = blobs(480)
    labels = labels.copy()
    labels[:6] = (labels[:6] + 1) % 3  # wrong on purpose
    dataset = from_arrays(images, labels, config=_config().data, seed=0)
    if test_seed is None:
        return dataset
    test = dataset.test
    return replace(dataset, test=ImageSet(test.images, np.random.default_rng(test_seed).permutation(test.labels), test.groups))


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("tuned")
    for name, seed in (("a", None), ("b", 1)):
        run_dataset(_data(test_seed=seed), root / name, _config(), until="student")
    return root / "a", root / "b"


CHOSEN = (
    *("views/views.json", "cleaning/kept.npy", "tuning/tuned.json", "gate/gate.json"),
    *("teacher/model.safetensors", "teacher-2/model.safetensors", "student/model.safetensors"),
)


def test_shuffled_test_labels_leave_every_choice_and_the_student_unchanged(two_runs: tuple[Path, Path]) -> None:
    for file in CHOSEN:
        assert (two_runs[0] / "private" / file).read_bytes() == (two_runs[1] / "private" / file).read_bytes(), file
    found = [json.loads((folder / "private" / "tuning" / "manifest.json").read_text())["facts"] for folder in two_runs]
    assert found[0] == found[1] and len(found[0]["trials"]) == 3, "every score of every trial"
    stores = [np.load(folder / "private" / "store" / "test_labels.npy") for folder in two_runs]
    assert not np.array_equal(*stores)


def test_the_student_is_drawn_by_the_settings_that_were_chosen(two_runs: tuple[Path, Path]) -> None:
    bench = opened(two_runs[0], needs="student")
    chosen = json.loads((two_runs[0] / "private" / "tuning" / "tuned.json").read_text())
    tuned = bench.tuned()
    assert tuned.config == with_settings(bench.config, chosen)
    assert tuned.sampler().spread == chosen["sampler.spread"]


def test_each_family_is_tuned_by_what_it_has(two_runs: tuple[Path, Path]) -> None:
    bench = opened(two_runs[0], needs="student")
    asked = ["sampler.spread", "sampler.guidance", "sampler.first_share", "sampler.ema_std"]
    found = {}
    for family, generator in {"edm": bench.config.generator, "gan": GanConfig(), "mix": MixConfig()}.items():
        config = bench.config.model_copy(
            update={"generator": generator, "tuning": bench.config.tuning.model_copy(update={"settings": tuple(asked)})}
        )
        found[family] = [choice.values for choice in choices_of(_Unmeasured(config))]  # type: ignore[arg-type]
    spreads, guidance, shares, widths = zip(*found.values(), strict=True)
    assert [max(values) for values in spreads] == [1.25, 2.0, 1.25]
    assert [len(values) for values in guidance] == [4, 1, 1] and [len(values) for values in shares] == [1, 1, 4]
    assert 0.075 in widths[0] and [len(values) for values in widths[1:]] == [1, 1]


@dataclass(frozen=True)
class _Unmeasured:
    """As much of a bench as the choices are read from."""

    config: Config

    @property
    def networks(self) -> Networks:
        return networks_of(self.config)

    def passed_snapshots(self) -> list[Snapshot]:
        return [Snapshot(100, Path())]


def test_a_vetoed_snapshot_is_never_drawn_from(two_runs: tuple[Path, Path]) -> None:
    bench = opened(two_runs[0], needs="student")
    path = two_runs[0] / "private" / "gate" / "gate.json"
    before, rows = path.read_text(), json.loads(path.read_text())
    last = max(row["images_seen"] for row in rows)
    try:
        path.write_text(json.dumps([{**row, "vetoed": row["images_seen"] == last} for row in rows]))
        asked_for = replace(bench, config=with_settings(bench.config, {"sampler.snapshot": last}))
        for sampler in (bench.sampler(), asked_for.sampler()):
            assert sampler.snapshot is not None and sampler.snapshot.images_seen < last
    finally:
        path.write_text(before)


def test_the_run_says_which_snapshots_were_vetoed() -> None:
    closest = {"closer": 0.81, "p_value": 0.001}
    assert warnings({"vetoed": [], "passed": [100], "closest": closest}) == []
    (some,) = warnings({"vetoed": [200], "passed": [100], "closest": closest})
    assert "200 images" in some and "0.81" in some and "not used" in some
    (every,) = warnings({"vetoed": [100, 200], "passed": [], "closest": closest})
    assert "every snapshot" in every and "used nevertheless" in every


def test_teachers_of_different_seeds_label_together(two_runs: tuple[Path, Path]) -> None:
    weights = [(two_runs[0] / "private" / name / "model.safetensors").read_bytes() for name in ("teacher", "teacher-2")]
    assert weights[0] != weights[1]


def test_generator_learns_from_what_cleaning_kept(two_runs: tuple[Path, Path]) -> None:
    kept = np.load(two_runs[0] / "private" / "cleaning" / "kept.npy")
    facts = json.loads((two_runs[0] / "private" / "cleaning" / "manifest.json").read_text())["facts"]
    assert facts["left_out"] == (~kept).sum() <= 12
    counts = json.loads((two_runs[0] / "private" / "generator" / "class_counts.json").read_text())
    assert sum(counts) == kept.sum()


def test_a_tuned_setting_out_of_range_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"setting sampler\.spread must be .*Got -1"):
        with_settings(_config(), {"sampler.spread": -1})
