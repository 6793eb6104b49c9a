"""The frontier: recipes that share stages are the recipes run alone, and a killed call goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import blobs
from upcycle._settings import resolve, with_settings
from upcycle.data import Dataset, ImageSet
from upcycle.errors import ConfigError
from upcycle.runs.shadows import (
    BUNDLES,
    Design,
    DesignsPipeline,
    FrontierPlan,
    ShadowPipeline,
    frontier,
    shadow_config,
)

BASE = resolve("quick", config_file=None, overrides=["augment.flip=none", "screen.images=6000", "generator.snapshots=1"])
SCALE = 0.02


def images(n: int, seed: int = 0) -> ImageSet:
    found, labels = blobs(n, seed=seed)
    return ImageSet(found[..., None], labels)


@pytest.mark.slow
def test_a_design_that_borrows_stages_is_the_recipe_run_alone() -> None:
    members, validation, settings = images(120), images(60, seed=4), {"screen.folds": 3, "student.temperature": 1.0}
    designs = (Design("warm", {"screen.folds": 3}), Design("cool", settings), Design("plain"))
    together = DesignsPipeline(validation, 3, BASE, designs, "plain", scale=SCALE)(members.images, members.labels, seed=3)
    small = shadow_config(with_settings(BASE, settings), 8)
    alone = ShadowPipeline(validation, 3, small, SCALE, variants=False)(members.images, members.labels, seed=3)
    assert alone.student is not None
    asked = validation.images
    np.testing.assert_array_equal(together.variants["cool"](asked), alone.student(asked))
    assert not np.array_equal(together.variants["cool"](asked), together.variants["plain"](asked))


@pytest.mark.slow
def test_the_control_is_the_teacher_that_saw_every_record() -> None:
    members, validation = images(120), images(60, seed=4)
    designs = (Design("screened", {"screen.folds": 3, "screen.most": 0.9, "screen.floor": 0.9}), Design("plain"))
    parts = DesignsPipeline(validation, 3, BASE, designs, "plain", scale=SCALE)(members.images, members.labels, seed=3)
    plain = ShadowPipeline(validation, 3, shadow_config(BASE, 8), SCALE, variants=False)(members.images, members.labels, seed=3)
    assert parts.teacher is not None and plain.teacher is not None
    np.testing.assert_array_equal(parts.teacher(validation.images), plain.teacher(validation.images))


@pytest.mark.parametrize("change", ["setting", "name", "scale", "validation"])
def test_kept_answers_are_of_these_very_recipes(change: str) -> None:
    validation = images(60, seed=4)
    first = DesignsPipeline(validation, 3, BASE, (Design("a", {"screen.folds": 3}), Design("plain")), "plain", scale=SCALE)
    other = {
        "setting": DesignsPipeline(
            validation, 3, BASE, (Design("a", {"screen.folds": 4}), Design("plain")), "plain", scale=SCALE
        ),
        "name": DesignsPipeline(validation, 3, BASE, (Design("b", {"screen.folds": 3}), Design("plain")), "plain", scale=SCALE),
        "scale": DesignsPipeline(validation, 3, BASE, first.designs, "plain", scale=0.5),
        "validation": DesignsPipeline(images(60, seed=5), 3, BASE, first.designs, "plain", scale=SCALE),
    }[change]
    assert first.key != other.key


@pytest.mark.slow
def test_a_call_writes_rows_of_every_recipe_and_a_second_one_runs_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import upcycle.runs.shadows._frontier as room

    few = {"core": (Design("cool", {"screen.folds": 2, "student.temperature": 1.0}), Design("plain"))}
    monkeypatch.setattr(room, "BUNDLES", few)
    dataset = Dataset("bars", images(120), images(60, seed=4), images(30, seed=5), ("a", "b", "c"))
    plan = FrontierPlan(pipelines=4, seed=5, jobs=1, scale=0.01)
    said: list[str] = []
    rows = frontier(dataset, tmp_path, BASE, plan, said.append)
    assert len(said) == 4
    assert {row["model"] for row in rows} >= {"cool", "plain", "baseline"}
    assert all(row["auc_low"] <= row["auc"] <= row["auc_high"] for row in rows)
    written = json.loads((tmp_path / "frontier.json").read_text())
    assert written["rows"] == rows
    page = (tmp_path / "frontier.html").read_text()
    assert page.count("<svg") >= 1 and "cool" in page
    assert frontier(dataset, tmp_path, BASE, plan, said.append) == rows
    assert len(said) == 4


def test_an_unknown_bundle_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    dataset = Dataset("bars", images(120), images(60, seed=4), images(30, seed=5), ("a", "b", "c"))
    with pytest.raises(ConfigError, match=r"core, steps, support, dp\. Got cores"):
        frontier(dataset, tmp_path / "out", BASE, FrontierPlan(("cores",)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pipelines", [0, 2, 7])
def test_pipelines_that_cannot_be_attacked_by_others_are_refused_with_all_else(pipelines: int, tmp_path: Path) -> None:
    dataset = Dataset("bars", images(120), images(60, seed=4), images(30, seed=5), ("a", "b", "c"))
    with pytest.raises(ConfigError) as problem:
        frontier(dataset, tmp_path / "out", BASE, FrontierPlan(("cores",), pipelines, jobs=-1))
    assert len(str(problem.value).splitlines()) == 3


def test_every_recipe_of_every_bundle_is_one_that_settings_allow() -> None:
    from upcycle.runs.stages import check_screen_settings

    for bundle in BUNDLES.values():
        assert bundle[-1].name == "plain"
        for design in bundle:
            check_screen_settings(with_settings(BASE, design.settings))
