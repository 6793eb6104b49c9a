"""Teacher and student loops: what they learn, how they resume, and what they cannot see."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.fakes import Painter, stripes
from upcycle._training import Checkpoint
from upcycle.config import AugmentConfig, ClassifierConfig
from upcycle.data import ImageSet
from upcycle.generators import EdmGenerator, ImageShape
from upcycle.nets import Augmentation, classifier_factory, predict_logits
from upcycle.recycle import (
    AskedLabels,
    Bank,
    Distillation,
    Labeller,
    Recipe,
    Sampler,
    TeacherLabels,
    accuracy,
    choose_augmentation,
    soft_cross_entropy,
    train_classifier,
    train_student,
    try_flips,
)
from upcycle.recycle import _classify as classify_module
from upcycle.recycle import _student as student_module
from upcycle.recycle._classify import image_budget, rate

CONFIG = ClassifierConfig(width=8, blocks=1, batch=32, min_images=1, validate_every=0.25)
RECIPE = Recipe(classifier_factory(CONFIG), 2, CONFIG, budget=960)


def _bank(folder: Path) -> Bank:
    return Bank(folder, Sampler(Painter(), np.array([0.5, 0.5]), seed=0), 64, (8, 8, 1))  # type: ignore[arg-type]


def test_teacher_learns_and_keeps_its_best_look_at_validation() -> None:
    fitted = train_classifier(stripes(128), stripes(64, 1), RECIPE, seed=0)
    assert fitted.validation_accuracy == accuracy(fitted.net, stripes(64, 1), torch.device("cpu"))
    assert fitted.validation_accuracy > 0.95


def test_equal_seeds_give_equal_weights_and_other_seeds_do_not() -> None:
    first, same, other = (train_classifier(stripes(64), stripes(8), replace(RECIPE, budget=64), seed=s).net for s in (0, 0, 1))
    pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


class _Stop(Exception):
    pass


def _stopping(at: int) -> Callable[..., None]:
    def report(images_seen: int, metrics: object) -> None:
        if images_seen >= at:
            raise _Stop

    return report


def _eager(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    monkeypatch.setattr(module, "Checkpoint", lambda path: Checkpoint(path, seconds=0))


def test_stopped_teacher_resumes_on_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _eager(monkeypatch, classify_module)
    straight = train_classifier(stripes(96), stripes(32, 1), RECIPE, seed=3)
    with pytest.raises(_Stop):
        train_classifier(stripes(96), stripes(32, 1), RECIPE, seed=3, resume=tmp_path / "r.pt", report=_stopping(480))
    resumed = train_classifier(stripes(96), stripes(32, 1), RECIPE, seed=3, resume=tmp_path / "r.pt")
    assert resumed.validation_accuracy == straight.validation_accuracy
    for a, b in zip(straight.net.state_dict().values(), resumed.net.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_stopped_student_resumes_on_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _eager(monkeypatch, student_module)
    recipe, moves = replace(RECIPE, budget=2_560), Distillation(epoch_images=640, per_refresh=16, ema=0.1)

    def distil(name: str, labeller: Labeller | None = None) -> torch.nn.Module:
        labels = labeller or AskedLabels(2)
        return train_student(_bank(tmp_path / name), labels, recipe, moves, seed=3, resume=tmp_path / name / "r.pt").net

    def stopping(views: torch.Tensor, asked: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        nonlocal left
        left -= len(views)
        if left < 0:
            raise _Stop
        return AskedLabels(2)(views, asked, source)

    straight, left = distil("a"), 1_600  # in the middle of the third epoch of four
    with pytest.raises(_Stop):
        distil("b", stopping)
    for a, b in zip(straight.state_dict().values(), distil("b").state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_student_learns_real_classes_from_synthetic_images_and_a_teacher(tmp_path: Path) -> None:
    teacher = train_classifier(stripes(128), stripes(64, 1), RECIPE, seed=0).net
    student = train_student(
        _bank(tmp_path), TeacherLabels(teacher), replace(RECIPE, budget=1_920), Distillation(640, 16), seed=0
    )
    assert student.validation_accuracy is None
    assert accuracy(student.net, stripes(64, 9), torch.device("cpu")) > 0.95


def test_student_loop_has_no_way_to_take_private_images() -> None:
    parameters = inspect.signature(train_student).parameters.values()
    names = {str(p.annotation) for p in parameters}
    assert not any("ImageSet" in name or "ndarray" in name or "Store" in name for name in names)
    assert "ImageSet" not in inspect.getsource(student_module)


def test_soft_labels_are_computed_on_the_view_the_student_sees(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    class Spy:
        def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:
            seen.append(views.clone())
            return AskedLabels(2)(views, asked, source)

    recipe = replace(RECIPE, budget=32, augmentation=Augmentation(shift=2))
    bank = _bank(tmp_path)
    train_student(bank, Spy(), recipe, Distillation(64, 0), seed=0)
    stored = {bytes(image) for image in bank.images}
    back = ((seen[0] + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    assert sum(bytes(image) in stored for image in back) < len(back) / 2


def test_soft_cross_entropy_equals_torch_for_one_hot_labels_and_kl_plus_entropy_for_soft_ones() -> None:
    logits, hard = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    one_hot = torch.nn.functional.one_hot(hard, 3).float()
    torch.testing.assert_close(soft_cross_entropy(logits, one_hot), torch.nn.functional.cross_entropy(logits, hard))
    soft = torch.randn(5, 3).softmax(1)
    divergence = torch.nn.functional.kl_div((logits / 2).log_softmax(1), soft, reduction="batchmean")
    entropy = -(soft * soft.log()).sum(1).mean()
    torch.testing.assert_close(soft_cross_entropy(logits, soft, 2.0), 4 * (divergence + entropy))


def test_teacher_labels_are_its_tempered_softmax() -> None:
    net = train_classifier(stripes(32), stripes(8), replace(RECIPE, budget=64), seed=0).net
    data = torch.from_numpy(stripes(16).images)
    logits = predict_logits(net, data, torch.device("cpu"))
    views = data.permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = TeacherLabels(net, temperature=3.0)(views, torch.zeros(16).long(), torch.zeros(16).long())
    torch.testing.assert_close(labels, (logits / 3).softmax(1))


def test_flip_probe_allows_mirrors_that_keep_the_label_and_refuses_those_that_do_not() -> None:
    safe = {t.flip: t.safe for t in try_flips(stripes(600), replace(RECIPE, budget=None), seed=0, images=1_600)}
    assert safe == {"horizontal": True, "vertical": True}
    sided = stripes(600)
    half = np.where(sided.labels[:, None, None], np.arange(8)[None, None] < 4, np.arange(8)[None, None] >= 4)
    images = np.where(half[..., None], np.minimum(sided.images, 60), sided.images)
    left_right = ImageSet(
        np.broadcast_to(images.mean(0, keepdims=True) * 0, images.shape).astype(np.uint8).copy(), sided.labels
    )
    left_right.images[...] = np.where(half[..., None], 200, 30) + np.random.default_rng(0).integers(0, 25, images.shape)
    trials = {t.flip: t.safe for t in try_flips(left_right, replace(RECIPE, budget=None), seed=0, images=1_600)}
    assert trials == {"horizontal": False, "vertical": True}


def test_augmentation_follows_the_setting_and_the_trials() -> None:
    assert choose_augmentation(AugmentConfig(flip="none"), 28, []) == Augmentation(2)
    assert choose_augmentation(AugmentConfig(flip="both", shift=0), 28, []) == Augmentation(0, True, True)
    assert choose_augmentation(AugmentConfig(flip="vertical", shift=0), 28, []) == Augmentation(0, False, True)
    assert choose_augmentation(AugmentConfig(shift=0), 28, []) == Augmentation()


def test_rate_rises_then_falls_to_zero_and_budget_respects_its_limits() -> None:
    config = ClassifierConfig(lr=1.0, warmup=0.2, batch=10, epochs=5, min_images=100, max_images=1000)
    rates = [rate(config, seen, 1000) for seen in range(0, 1001, 50)]
    assert max(rates) == pytest.approx(1.0, abs=0.05) and rates[0] < 0.1 and rates[-1] == pytest.approx(0, abs=1e-9)
    assert [image_budget(config, n) for n in (1, 100, 10_000)] == [100, 500, 1000]


def test_rate_with_milestones_stays_and_falls_to_a_tenth_after_each() -> None:
    config = ClassifierConfig(lr=0.1, warmup=0.0, milestones=(0.6, 0.8))
    assert [rate(config, seen, 1000) for seen in (0, 599, 600, 799, 800, 999)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3]
    )
    assert rate(config.model_copy(update={"warmup": 0.5}), 0, 100_000) < 1e-3, "the rise comes first"


def test_patience_stops_a_teacher_that_no_longer_gains() -> None:
    config = CONFIG.model_copy(update={"patience": 1, "validate_every": 0.1})
    noise = ImageSet(stripes(64).images, np.random.default_rng(0).integers(0, 2, 64))
    fitted = train_classifier(noise, stripes(64, 1), replace(RECIPE, config=config, budget=6_400), seed=0)
    assert fitted.images_seen < 6_400


def test_default_generator_takes_flips_but_never_shifts() -> None:
    generator = EdmGenerator(ImageShape(1, 8, 2), augmentation=Augmentation(2, True, False))
    assert generator._views == Augmentation(0, True, False)
