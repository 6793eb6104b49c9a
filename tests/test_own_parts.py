"""Code of the user's own in a run: a network and a generator that pass the public checks are used, released, and asked for again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import blobs
from tests.fakes import upcycle
from upcycle import Config, UpcycleError, Upcycler, check_generator, load_student, release_run, run
from upcycle._random import indexed_normal
from upcycle.errors import ConfigError, RunFolderError
from upcycle.generators import Snapshot
from upcycle.release import ReleaseOptions
from upcycle.runs import audit_run

TINY = {
    "threads": 1,
    "audit.min_non_members": 40,
    "audit.folds": 2,
    "release.synthetic_images": 20,
    "generator.images": 600,
    "teacher.min_images": 1_500,
    "teacher.max_images": 1_500,
    "augment.flip": "none",
}


class MeanAndNoise:
    """The contract and nothing more: every image is the mean of its class, times noise of its own."""

    def __init__(self, channels: int, size: int, classes: int) -> None:
        self.shape, self.classes = (size, size, channels), classes
        self.folder: Path | None = None
        self.means: np.ndarray | None = None

    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        seed: int,
        budget: int,
        resume: Path | None = None,
        report: object = None,
    ) -> Self:
        self.seen = budget
        self.means = np.stack(
            [images[labels == k].mean(0) if (labels == k).any() else images.mean(0) for k in range(self.classes)]
        )
        return self

    def snapshots(self) -> Sequence[Snapshot]:
        return [Snapshot(self.seen, Path())]

    def sample(
        self,
        labels: np.ndarray,
        *,
        seed: int,
        spread: float = 1.0,
        indices: np.ndarray | None = None,
        snapshot: Snapshot | None = None,
    ) -> np.ndarray:
        assert self.means is not None
        rows = np.arange(len(labels)) if indices is None else indices
        noise = indexed_normal(seed, rows, self.shape) if len(rows) else np.zeros((0, *self.shape))
        return np.clip(self.means[labels] + 25 * spread * noise, 0, 255).astype(np.uint8)


class ChannelsFirst(MeanAndNoise):
    def sample(self, labels: np.ndarray, **how: object) -> np.ndarray:
        return super().sample(labels, **how).transpose(0, 3, 1, 2)  # type: ignore[arg-type]


def network(channels: int, classes: int, size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, 12), nn.ReLU(), nn.Linear(12, classes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plain_ends: None) -> tuple[Upcycler, Path]:
    out = tmp_path_factory.mktemp("own") / "run"
    model = Upcycler("smoke", settings=TINY, out=str(out), network=network, generator=MeanAndNoise)
    return model.fit(*blobs(400)), out


def test_generator_that_does_the_contract_and_no_more_passes_its_check() -> None:
    check_generator(MeanAndNoise)


def test_axes_are_in_one_order_or_the_check_names_it() -> None:
    with pytest.raises(
        AssertionError, match=r"samples must have shape \(n, side, side, channels\), as in fit\. Got \(5, 1, 9, 9\)"
    ):
        check_generator(ChannelsFirst)


def test_own_generator_draws_and_own_network_answers(made: tuple[Upcycler, Path]) -> None:
    model, _ = made
    drawn, asked = model.sample(6)
    assert isinstance(model.generator_, MeanAndNoise) and drawn.shape == (6, 8, 8, 1) and asked.tolist() == [0, 1, 2, 0, 1, 2]
    assert isinstance(model.student_, nn.Sequential) and model.evaluate(*blobs(90, seed=5))["accuracy"] > 0.6


def test_release_of_a_run_with_own_parts_is_one_line_of_python(made: tuple[Upcycler, Path]) -> None:
    _, out = made
    released = release_run(str(out), ReleaseOptions(images=12, onnx=False), network=network, generator=MeanAndNoise)
    facts = json.loads((out / "release" / "student" / "config.json").read_text())
    assert facts["network"] == "Sequential" and not {"width", "blocks"} & set(facts), "nothing that is not that network's"
    assert "model.pt2" in released.exports
    images, _ = blobs(20, seed=6)
    again = load_student(out / "release", network=network)
    assert again.predict(images) == pytest.approx(made[0].predict_proba(images), abs=1e-5)


def test_release_on_the_command_line_asks_for_own_parts_in_one_line_each(made: tuple[Upcycler, Path]) -> None:
    result = upcycle("release", made[1])
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 2, result.stderr
    assert "network must be the one that" in result.stderr and "Give network= in upcycle.run" in result.stderr
    assert "generator must be the one that" in result.stderr and "MeanAndNoise" in result.stderr


def test_other_parts_than_the_run_was_started_with_are_refused(made: tuple[Upcycler, Path]) -> None:
    def wider(channels: int, classes: int, size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, 13), nn.ReLU(), nn.Linear(13, classes))

    with pytest.raises(RunFolderError, match="network must be the one"):
        Upcycler("smoke", settings=TINY, out=made[1], network=wider, generator=MeanAndNoise).fit(*blobs(400))
    with pytest.raises(UpcycleError, match=r"network must be residual-classifier or given\. Got 'Sequential'"):
        load_student(made[1] / "release")
    with pytest.raises(RunFolderError, match="run must be of settings alone"):
        audit_run(made[1], "quick", jobs=1, say=lambda _: None)


def test_own_generator_without_load_is_not_saved_in_silence(made: tuple[Upcycler, Path], tmp_path: Path) -> None:
    with pytest.raises(UpcycleError, match=r"generator must have load\(folder\) to be saved\. Got MeanAndNoise"):
        made[0].save(tmp_path / "saved")


def test_settings_that_own_generators_lack_are_refused_before_work(tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    images, labels = blobs(400)
    np.savez(data, images=images, labels=labels)
    config = Config.from_preset("smoke", threads=1, **{"support.share": 0.5, "screen.folds": 3})
    with pytest.raises(ConfigError, match=r"support\.share must be 0 with a generator of your own"):
        run(str(data), str(tmp_path / "run"), config, generator=MeanAndNoise)
    assert not (tmp_path / "run").exists()


def test_finished_run_opens_its_own_generator_by_fitting_it_again(made: tuple[Upcycler, Path]) -> None:
    again = Upcycler("smoke", settings=TINY, out=made[1], network=network, generator=MeanAndNoise).fit(*blobs(400))
    assert np.array_equal(again.sample(6)[0], made[0].sample(6)[0])
    with torch.inference_mode():
        assert np.array_equal(again.predict_proba(blobs(9)[0]), made[0].predict_proba(blobs(9)[0]))
