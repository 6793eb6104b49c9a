"""The screen as a stage: what it leaves out reaches neither generator nor teachers, and says so by class."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import upcycle.runs.stages._training as steps
from tests.conftest import blobs
from upcycle._settings import resolve, with_settings
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.errors import ConfigError
from upcycle.generators import EdmGenerator
from upcycle.nets import predict_logits, to_input
from upcycle.recycle import Support, train_classifier
from upcycle.runs.shadows import Given, ShadowPipeline, shadow_config, with_threads
from upcycle.runs.stages import Bench, Facts, load_classifier, soft_labels_of, training_road
from upcycle.runs.stages._screening import LEFT_OUT, check_screen_settings, said

SCREEN = ("screen.folds=3", "screen.images=12000", "screen.floor=0.34", "generator.snapshots=1", "augment.flip=none")
MARKER = 7  # the record whose way is followed, and its near copy
TWIN = 8


def settings(*overrides: str) -> Config:
    return shadow_config(resolve("quick", config_file=None, overrides=[*SCREEN, *overrides]), 8)


def members() -> ImageSet:
    """The first six have wrong labels; the marker and its twin are nearly one image."""
    images, labels = blobs(180)
    images, labels = images[..., None].copy(), labels.copy()
    labels[:6] = (labels[:6] + 1) % 3
    images[TWIN] = images[MARKER].astype(int) + 1
    labels[TWIN] = labels[MARKER]
    return ImageSet(images, labels)


def validation() -> ImageSet:
    images, labels = blobs(90, seed=5)
    return ImageSet(images[..., None], labels)


def prepared(folder: Path, config: Config, given: Given) -> Bench:
    pipeline = ShadowPipeline(given.validation(), 3, config, 0.04, variants=False)
    return pipeline.bench(given.members(), 11, folder)


def walk(bench: Bench, given: Given, until: str) -> dict[str, Facts]:
    facts = {}
    for stage in training_road(bench, given):
        facts[stage.name] = stage.work()
        if stage.name == until:
            break
    return facts


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with with_threads(1):
        yield


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[bytes]]:
    """Every training image that a classifier sees, as bytes, by the stage that trains it."""
    images: dict[str, set[bytes]] = {}
    train = steps.train_classifier

    def watched(data: ImageSet, *rest: object, **how: object) -> object:
        images[str(how["stage"])] = {image.tobytes() for image in data.images}
        return train(data, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "train_classifier", watched)
    return images


def test_wrong_labels_are_left_out_listed_by_class_and_seen_by_no_teacher(tmp_path: Path, seen: dict[str, set[bytes]]) -> None:
    given = Given(members(), validation())
    bench = prepared(tmp_path, settings("teachers=3", "screen.apart=true"), given)
    facts = walk(bench, given, "teacher-3")
    folder = bench.folder.private / "screen"
    kept, fold, unit = (np.load(folder / f"{name}.npy") for name in ("kept", "fold", "unit"))
    with (folder / LEFT_OUT).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == facts["screen"]["left_out"] == int((~kept).sum())
    assert (~kept)[:6].sum() >= 4
    assert {"doubted label", "isolated image"} == {row["why"] for row in rows}
    assert sum(row["doubted"] + row["isolated"] for row in facts["screen"]["by_class"].values()) == len(rows)
    assert str(len(rows)) in said(facts["screen"])
    assert unit[MARKER] == unit[TWIN]
    for number, name in enumerate(("teacher", "teacher-2", "teacher-3")):
        barred = {image.tobytes() for image in given.members().images[(fold == number) | ~kept]}
        assert seen[name] and not seen[name] & barred
    own = ("teacher", "teacher-2", "teacher-3")[fold[MARKER]]
    assert not seen[own] & {given.members().images[row].tobytes() for row in (MARKER, TWIN)}


def test_images_like_a_marker_are_labelled_by_the_one_teacher_that_saw_neither_it_nor_its_twin(
    tmp_path: Path, seen: dict[str, set[bytes]]
) -> None:
    given = Given(members(), validation())
    keeping = ("teachers=3", "screen.apart=true", "screen.crossed=true", "screen.most=0", "screen.isolated=0")
    bench = prepared(tmp_path, settings(*keeping), given)
    walk(bench, given, "teacher-3")
    marker = given.members().images[[MARKER, TWIN]]
    origin, fold = bench.origin(), np.load(bench.folder.private / "screen" / "fold.npy")
    assert origin is not None
    like = np.concatenate([marker.astype(int) + step for step in (-2, 0, 3)]).clip(0, 255).astype(np.uint8)
    assert set(origin(like)) == {fold[MARKER]} == {fold[TWIN]}
    labelling = ("teacher", "teacher-2", "teacher-3")[fold[MARKER]]
    assert not seen[labelling] & {image.tobytes() for image in marker}
    assert all(marker[0].tobytes() in seen[name] for name in seen if name != labelling)  # the others did learn it
    own = predict_logits(bench.classifier(labelling), torch.from_numpy(like), torch.device("cpu")).softmax(1).numpy()
    bench = replace(bench, config=with_settings(bench.config, {"student.temperature": 1.0}))
    np.testing.assert_allclose(soft_labels_of(bench)(like), own, atol=1e-5)
    views = to_input(torch.from_numpy(like), torch.device("cpu"))
    source = torch.from_numpy(origin(like))
    np.testing.assert_allclose(bench.labeller()(views, source, source).numpy(), own, atol=1e-5)
    assert bench.distillation().origin is not None


def test_neither_fold_classifier_nor_teacher_nor_generator_of_a_marker_s_fold_ever_saw_it(
    tmp_path: Path, seen: dict[str, set[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What labels and what supports images like the marker: the teacher and the classifier whose weights it starts from, each
    with its looks, and the records of a fold that the generator which drew the image never saw."""
    drawing, looked = [], dict[str, set[bytes]]()
    learn = EdmGenerator._train

    def judging(data: ImageSet, held_out: ImageSet, *rest: object, **how: object) -> object:
        looked[str(how["stage"])] = {image.tobytes() for part in (data, held_out) for image in part.images}
        return train_classifier(data, held_out, *rest, **how)  # type: ignore[arg-type]

    def drawn(self: EdmGenerator, images: np.ndarray, *rest: object) -> None:
        drawing.append({image.tobytes() for image in images})
        learn(self, images, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("upcycle.recycle._cleaning.train_classifier", judging)
    monkeypatch.setattr(EdmGenerator, "_train", drawn)
    given = Given(members(), validation())
    keeping = (
        "teachers=3",
        "screen.apart=true",
        "screen.crossed=true",
        "screen.most=0",
        "screen.isolated=0",
        "support.share=0.9",
    )
    bench = prepared(tmp_path, settings(*keeping), given)
    walk(bench, given, "generator")
    marker, fold = given.members().images[[MARKER, TWIN]], np.load(bench.folder.private / "screen" / "fold.npy")
    own, both = int(fold[MARKER]), {image.tobytes() for image in marker}
    assert set(looked) == {"screen-0-0", "screen-0-1", "screen-0-2"} and len(drawing) == 3
    for without in range(3):
        blind = [looked[f"screen-0-{without}"], seen[("teacher", "teacher-2", "teacher-3")[without]], drawing[without]]
        assert all(not found & both if without == own else both <= found for found in blind)
    support = Support.load(bench.folder.private / "generator" / "support.npz")
    elsewhere = np.flatnonzero(~np.isin(np.arange(180), (MARKER, TWIN)))
    unaware = replace(support, **{name: getattr(support, name)[elsewhere] for name in ("points", "labels", "fold")})
    for without in set(range(3)) - {own}:  # drawn by a generator that saw the marker: others must vouch for the image
        asked = marker, given.members().labels[[MARKER, TWIN]], np.full(2, without)
        np.testing.assert_array_equal(support.distance(*asked), unaware.distance(*asked))


def test_crossed_labels_need_teachers_that_miss_a_fold() -> None:
    config = resolve("quick", config_file=None, overrides=["screen.crossed=true"])
    with pytest.raises(ConfigError, match=r"screen\.apart must be set where screen\.crossed is") as problem:
        check_screen_settings(config)
    advice = ["screen.crossed=true", "screen.apart=true", "screen.folds=3", "teachers=3"]
    assert all(setting in str(problem.value) for setting in advice[1:])
    check_screen_settings(resolve("quick", config_file=None, overrides=advice))


def test_a_teacher_apart_goes_on_from_the_weights_of_its_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lessons: list[object] = []
    train = steps.train_classifier
    monkeypatch.setattr(steps, "train_classifier", lambda *a, **k: lessons.append(k["lesson"]) or train(*a, **k))
    given = Given(members(), validation())
    bench = prepared(tmp_path, settings("teachers=3", "screen.apart=true"), given)
    walk(bench, given, "teacher-2")
    for number, lesson in enumerate(lessons):
        path = bench.folder.private / "screen" / f"fold-{number}.safetensors"
        weights = load_classifier(path, bench.networks.teacher, bench.shape).state_dict()
        assert all(np.array_equal(weights[name], t) for name, t in lesson.start.state_dict().items())  # type: ignore[attr-defined]


def test_relabelled_teachers_are_never_told_a_record_s_own_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lessons: list[object] = []
    train = steps.train_classifier
    monkeypatch.setattr(steps, "train_classifier", lambda *a, **k: lessons.append(k["lesson"]) or train(*a, **k))
    given = Given(members(), validation())
    bench = prepared(tmp_path, settings("screen.relabel=1", "screen.rounds=2"), given)
    walk(bench, given, "teacher")
    folder = bench.folder.private / "screen"
    expected = np.load(folder / "probabilities.npy")[np.load(folder / "kept.npy")]
    np.testing.assert_allclose(lessons[0].targets, expected, atol=1e-6)  # type: ignore[attr-defined]


def test_inside_a_shadow_pipeline_records_that_must_stay_are_known_by_their_images(tmp_path: Path) -> None:
    data = members()
    without = Given(data, validation())
    bench = prepared(tmp_path / "a", settings(), without)
    walk(bench, without, "screen")
    gone = np.flatnonzero(~np.load(bench.folder.private / "screen" / "kept.npy"))
    given = Given(data, validation(), keep=(5,), stay=data.images[gone[:1]])
    bench = prepared(tmp_path / "b", settings("screen.keep=[5]"), given)
    walk(bench, given, "screen")
    assert np.load(bench.folder.private / "screen" / "kept.npy")[gone[0]]


def test_settings_that_do_not_go_together_are_refused_all_at_once() -> None:
    config = resolve("quick", config_file=None, overrides=["screen.folds=4", "cleaning.folds=3", "screen.apart=true"])
    with pytest.raises(ConfigError) as problem:
        check_screen_settings(config)
    assert len(str(problem.value).splitlines()) == 2
    with pytest.raises(ConfigError, match=r"Got 1\. Set 3"):
        check_screen_settings(resolve("quick", config_file=None, overrides=["screen.folds=1"]))


@pytest.mark.parametrize("part", ["screen", "cleaning"])
def test_a_single_fold_is_refused_with_numbers_that_work(part: str) -> None:
    with pytest.raises(ConfigError, match=rf"{part}\.folds must be 0 or from 2 to 20\. Got 1\. Set 3, or 0 for no {part}\."):
        check_screen_settings(resolve("quick", config_file=None, overrides=[f"{part}.folds=1"]))
    check_screen_settings(resolve("quick", config_file=None, overrides=[f"{part}.folds=3"]))


def test_strong_privacy_is_where_its_settings_start_and_any_of_them_may_differ() -> None:
    strong = resolve("quick", config_file=None, overrides=[], privacy="strong")
    assert strong.screen.folds == strong.teachers == 3
    assert (strong.screen.most, strong.screen.sure, strong.support.passes) == (0.2, 0.9, 20.0)  # as measured and documented
    assert strong.screen.apart and strong.screen.crossed
    assert strong.student.temperature == 1.0
    other = resolve("quick", config_file=None, overrides=["screen.folds=5"], privacy="strong")
    assert other.screen.folds == 5
    with pytest.raises(ConfigError, match=r"privacy must be one of usual, strong\. Got 'stong'"):
        resolve("quick", config_file=None, overrides=["privacy=stong"])
