"""DP-SGD classifiers inside shadow pipelines, and the command that asks for them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import blobs
from tests.runs.shadows.thin import thin
from upcycle._settings import resolve
from upcycle.audit import audit, plan_for
from upcycle.cli import cli
from upcycle.cli.audit import dp_settings
from upcycle.data import ImageSet
from upcycle.dp import DpSettings
from upcycle.errors import ConfigError
from upcycle.nets import Augmentation
from upcycle.runs.shadows._config import shadow_config
from upcycle.runs.shadows._pipeline import ShadowPipeline


@pytest.fixture(scope="module")
def pipeline() -> ShadowPipeline:
    images, labels = blobs(400)
    validation = ImageSet(images[300:, ..., None], labels[300:])
    config = thin(resolve("quick", config_file=None, overrides=("augment.flip=none",)), 8)
    return ShadowPipeline(validation, 3, config, 0.02, variants=False)


@pytest.mark.slow
def test_dp_models_are_audited_beside_an_unchanged_student(pipeline: ShadowPipeline) -> None:
    for module in ("opacus", "dp_accounting"):
        pytest.importorskip(module, reason="DP-SGD needs the extra [dp]")
    images, labels = blobs(300)
    data, plan = ImageSet(images[..., None], labels), plan_for("quick", n_jobs=1, views=1, synthetic=50, seed=1)
    with_dp = replace(pipeline, dp=DpSettings(noises=(0.1, 2.0), batch=64, heads=(3.0,)))
    plain, found = audit(pipeline, data, plan), audit(with_dp, data, plan)
    names = [f"DP-SGD, noise {noise}" for noise in ("0.1", "2")]
    assert set(names) <= {row.part.name for row in found.rows if row.population == "canary"}
    assert {*names, "DP head, epsilon 3"} <= {verdict.target for verdict in found.verdicts}
    assert found.facts.by_dp_sgd[names[0]].epsilon > found.facts.by_dp_sgd[names[1]].epsilon > 0
    assert found.to_json()["dp_comparator"]["model"] in [*names, "DP head, epsilon 3"]
    assert plain.to_json()["dp_comparator"] is None
    for row in plain.select(target="student"):
        (same,) = found.select(target="student", population=row.population, attack=row.attack, threat_model=row.threat_model)
        assert same.auc == row.auc


def test_the_key_changes_with_the_comparator_and_its_settings_only(pipeline: ShadowPipeline) -> None:
    keys = [replace(pipeline, dp=dp).key for dp in (None, DpSettings(), DpSettings(clip=0.5), DpSettings(noises=(1.0,)))]
    assert keys[0] == pipeline.key
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    ("budget", "wanted", "clip", "expected"),
    [
        ("standard", None, None, None),
        ("standard", True, None, DpSettings()),
        ("standard", None, 0.5, DpSettings(clip=0.5)),
        ("full", None, None, DpSettings()),
        ("full", False, None, None),
        (None, None, None, None),
    ],
)
def test_only_a_full_budget_or_the_flag_brings_the_comparator(
    budget: str | None, wanted: bool | None, clip: float | None, expected: DpSettings | None
) -> None:
    assert dp_settings(budget, wanted, clip) == expected


def test_the_flag_without_a_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--dp needs --budget"):
        CliRunner().invoke(cli, ["audit", "digits", "--dp", "--out", str(tmp_path / "run")], catch_exceptions=False)


def test_without_the_extra_an_audit_with_dp_ends_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(ConfigError, match=r"upcycle\[dp\]"):
        CliRunner().invoke(cli, ["audit", str(tmp_path), "--budget", "full"], catch_exceptions=False)
    assert not list(tmp_path.iterdir())


def test_epsilon_covers_the_views_that_a_dp_model_saw(pipeline: ShadowPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe on the members may allow flips; DP models must not profit from that look."""
    import upcycle.runs.shadows._dp as module

    seen = []
    monkeypatch.setattr(module, "train_private", lambda members, recipe, *_, **__: seen.append(recipe) or _stop())
    automatic = shadow_config(resolve("quick", config_file=None, overrides=()), 8)
    images, labels = blobs(120)
    with pytest.raises(_Stop):
        replace(pipeline, config=automatic, dp=DpSettings())(images[..., None], np.asarray(labels), seed=1)
    assert seen[0].augmentation == Augmentation()


class _Stop(Exception):
    pass


def _stop() -> None:
    raise _Stop
