"""Formal students inside a frontier: the epsilon that their rows say is that of everything they are made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import blobs
from upcycle._settings import resolve, with_settings
from upcycle.cli import cli
from upcycle.data import Dataset, ImageSet
from upcycle.dp import DenoiserSettings, FormalSettings
from upcycle.errors import ConfigError
from upcycle.runs.shadows import Design, DesignPipeline, FrontierPlan, frontier
from upcycle.runs.shadows import _dp as room

BASE = resolve("quick", config_file=None, overrides=["augment.flip=none"])


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dp_accounting", reason="accounting needs the extra [dp]")
    monkeypatch.setattr(room, "FORMAL", FormalSettings(steps=2, drawn=60, denoiser=DenoiserSettings(levels=1)))


def images(n: int, seed: int = 0) -> ImageSet:
    found, labels = blobs(n, seed=seed)
    return ImageSet(found[..., None], labels)


def dataset(n: int, classes: int = 3, groups: bool = False) -> Dataset:
    train = images(n)
    train = replace(train, groups=np.arange(n) // 2) if groups else train
    return Dataset("bars", train, images(60, seed=4), images(30, seed=5), tuple("abcd"[:classes]))


def pipeline(stages: Path | None = None, epsilon: float = 8.0) -> DesignPipeline:
    design = Design(f"formal, epsilon {epsilon:g}", formal=epsilon)
    return DesignPipeline(images(60, seed=4), 3, BASE, design, scale=0.02, stages=stages)


def test_a_student_has_the_epsilon_of_its_ledger_and_a_killed_pipeline_goes_on_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = images(200)
    (name, model), *others = pipeline()(members.images, members.labels, seed=3).private.items()
    assert (name, others) == ("formal, epsilon 8", [])
    ledger = pipeline().ledger(len(members))
    assert model.epsilon == ledger.epsilon() <= 8.0
    assert len(ledger.uses) == 3 and not ledger.unproven
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(room, "train_student", _killed)
        pipeline(tmp_path)(members.images, members.labels, seed=3)
    resumed = pipeline(tmp_path)(members.images, members.labels, seed=3).private[name]
    assert resumed.epsilon == model.epsilon
    np.testing.assert_array_equal(resumed.predict(members.images), model.predict(members.images))


def test_no_record_has_a_say_in_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither shares of classes nor the validation split: what chooses by them has no epsilon."""
    asked: list[np.ndarray] = []
    usual = room.Sampler
    monkeypatch.setattr(room, "Sampler", lambda generator, prior, seed: asked.append(prior) or usual(generator, prior, seed))
    members = images(200)
    rare = members.take(np.flatnonzero((members.labels > 0) | (np.arange(200) < 20)))
    answers = []
    for seed in (4, 5):
        made = replace(pipeline(), validation=images(60, seed=seed))
        (model,) = made(rare.images, rare.labels, seed=3).private.values()
        answers.append(model.predict(members.images))
    np.testing.assert_array_equal(*answers)
    np.testing.assert_allclose(asked, 1 / 3)


@pytest.mark.slow
def test_rows_and_json_of_a_frontier_tell_the_whole_epsilon(tmp_path: Path) -> None:
    plan = FrontierPlan(("formal",), 4, seed=5, jobs=1, scale=0.01, epsilons=(8.0,), planted_for=6)
    rows = frontier(dataset(240, groups=True), tmp_path, with_settings(BASE, {"generator.images": 256}), plan)
    formal = [row for row in rows if row["model"] == "formal, epsilon 8"]
    assert formal and all(row["epsilon_lower"] <= row["epsilon_upper"] <= 8.0 for row in formal if row["kind"] != "repeated")
    told = json.loads((tmp_path / "frontier.json").read_text())["privacy"]
    assert told["formal, epsilon 8"]["epsilon"]["image"] <= 8.0
    assert told["formal, epsilon 8"]["epsilon"]["patient, of at most 2 images"] > 8.0
    assert told["plain"]["epsilon"] == {"image": None}
    assert "No finite epsilon" in (tmp_path / "frontier.html").read_text()


@pytest.mark.parametrize(
    ("given", "epsilons", "line"),
    [
        (dataset(12), (8.0,), r"training split must have at least 200 images for the bundle formal.*Got 12\. Add images"),
        (dataset(240, classes=4), (8.0,), r"every class must have images in the training split.*Got none of 'd'\. Add images"),
        (dataset(240), (8.0, 0.01), r"epsilon must leave room for a step of DP-SGD.*Got 0\.01\. Give 0\.\d+ or more"),
        (dataset(240), (0.0, float("nan")), r"epsilon must be above 0\. Got 0\.0, nan\. Give 8"),
    ],
)
def test_what_makes_no_formal_student_is_one_line_before_any_work(
    given: Dataset, epsilons: tuple[float, ...], line: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=line) as problem:
        frontier(given, tmp_path / "out", BASE, FrontierPlan(("formal",), epsilons=epsilons))
    assert len(problem.value.problems) == 1
    assert not (tmp_path / "out").exists()


def test_the_command_takes_epsilons(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"epsilon must be above 0\. Got -1\.0"):
        asked = ["frontier", "digits", "--out", str(tmp_path / "out"), "--bundle", "dp", "--epsilon", "-1"]
        CliRunner().invoke(cli, asked, catch_exceptions=False)


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
