"""A teacher larger than the student: who gets which network, from the plan to the release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.conftest import blobs
from upcycle import Upcycler
from upcycle._presets import PRESETS
from upcycle._settings import with_settings
from upcycle.config import Config
from upcycle.generators import ImageShape
from upcycle.nets import ResidualClassifier, parameter_count, predict_logits
from upcycle.release import load_student
from upcycle.runs.folder import read_record
from upcycle.runs.shadows import shadow_config
from upcycle.runs.stages._networks import networks_of, student_config
from upcycle.runs.stages._plan import budget_for, make_plan, stage_seconds

SMALLER = {"teacher.width": 8, "teacher.blocks": 2, "student.width": 4, "student.blocks": 1}
SMALL = {
    **{"threads": 1, "augment.flip": "none", "audit.min_non_members": 40, "audit.folds": 2, "release.synthetic_images": 20},
    **{"teacher.min_images": 500, "teacher.max_images": 500, "generator.images": 500, "bank.max_images": 500},
}


def config_with(**settings: object) -> Config:
    return with_settings(PRESETS["smoke"], {name.replace("__", "."): value for name, value in settings.items()})


def size(net: nn.Module) -> tuple[int, int]:
    assert isinstance(net, ResidualClassifier)
    return net.head.in_features // 4, len(net.body) // 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, plain_ends: None) -> tuple[Path, Upcycler]:
    out = tmp_path_factory.mktemp("sizes") / "run"
    return out, Upcycler("smoke", settings={**SMALL, **SMALLER, "plain": True}, out=out).fit(*blobs(300))


@pytest.mark.parametrize("stage", ["student", "baseline", "plain"])
def test_what_the_student_is_compared_with_has_its_network(run: tuple[Path, Upcycler], stage: str) -> None:
    """Else the gap would be that between two networks."""
    weights = load_file(run[0] / "private" / stage / "model.safetensors")
    assert weights["head.weight"].shape == (3, 16)
    assert len({name.split(".")[1] for name in weights if name.startswith("body.")}) == 3


def test_the_teacher_keeps_its_own_size_and_the_release_names_the_students(run: tuple[Path, Upcycler]) -> None:
    out, model = run
    assert load_file(out / "private" / "teacher" / "model.safetensors")["head.weight"].shape == (3, 32)
    released, images = load_student(out / "release" / "student"), torch.from_numpy(blobs(20, seed=3)[0][..., None])
    found = predict_logits(released, images, torch.device("cpu")).softmax(1)
    np.testing.assert_allclose(found, model.predict_proba(images.numpy()), atol=1e-5)
    assert size(released.net) == size(model.student_) == (4, 1)


def test_the_plan_counts_both_networks_and_measures_both(run: tuple[Path, Upcycler]) -> None:
    record = read_record(run[0] / "private" / "plan")
    assert record is not None
    plan = record.facts
    nets = networks_of(with_settings(PRESETS["smoke"], SMALLER))
    assert plan["classifier_parameters"] == parameter_count(nets.student(1, 3, 8))
    assert plan["teacher_parameters"] == parameter_count(nets.teacher(1, 3, 8)) > plan["classifier_parameters"]
    assert plan["rates"]["teaching"] > 0


def test_a_slower_teacher_lengthens_its_own_stages_only() -> None:
    from tests.runs.test_run import RATES

    config = config_with(cleaning__folds=2)
    same, slower = (stage_seconds(budget_for(config, 1_000), rates) for rates in (RATES, RATES.__class__(**slow(RATES))))
    assert {name for name in same if same[name] != slower[name]} == {"teacher", "cleaning"}
    assert slower["teacher"] == pytest.approx(4 * same["teacher"])


def slow(rates: object) -> dict[str, float]:
    return {**rates.__dict__, "teaching": rates.classifier / 4}  # type: ignore[attr-defined]


def test_one_network_is_measured_once_and_said_once() -> None:
    config = PRESETS["smoke"]
    networks = networks_of(config)
    plan = make_plan(config, ImageShape(1, 8, 2), 100, torch.device("cpu"), networks)
    assert networks.same and plan.rates.teaching == 0 and "teacher 0" not in plan.lines()[0]


def test_a_network_of_the_user_stands_for_both_and_sizes_default_to_the_teachers() -> None:
    own = lambda *_: nn.Identity()  # noqa: E731
    both = networks_of(config_with(student__width=4), own)
    assert both.of("teacher-2") is both.of("student") is own
    assert student_config(config_with()) == PRESETS["smoke"].teacher
    assert student_config(config_with(student__blocks=3)).width == PRESETS["smoke"].teacher.width


@pytest.mark.parametrize(
    ("stage", "width"), [("teacher", 16), ("teacher-3", 16), ("cleaning", 16), ("student", 4), ("proxy", 4)]
)
def test_every_stage_has_the_network_of_its_side(stage: str, width: int) -> None:
    networks = networks_of(config_with(teacher__width=16, student__width=4))
    assert size(networks.of(stage)(1, 2, 8))[0] == width


def test_shadow_pipelines_keep_the_proportion_of_the_two() -> None:
    config = with_settings(PRESETS["quick"], {"teacher.width": 64, "student.width": 32, "student.blocks": 1})
    small = shadow_config(config, 28)
    assert (small.teacher.width, small.student.width, small.student.blocks) == (8, 4, None)
    assert shadow_config(with_settings(PRESETS["quick"], {}), 28).student.width is None
