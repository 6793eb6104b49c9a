"""Three lines from arrays to a fitted object, and back from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import upcycle
from tests.conftest import blobs
from upcycle import UpcycleError, Upcycler

SMALL = {
    **{"threads": 1, "augment.flip": "none", "audit.min_non_members": 40, "audit.folds": 2, "release.synthetic_images": 20},
    **{"teacher.min_images": 1_000, "teacher.max_images": 1_000, "generator.images": 500},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, plain_ends: None) -> Upcycler:
    images, labels = blobs(400)
    return Upcycler("smoke", settings=SMALL, out=tmp_path_factory.mktemp("api") / "run").fit(images, labels)


def test_fitted_model_predicts_samples_and_evaluates(model: Upcycler) -> None:
    images, labels = blobs(90, seed=5)
    assert model.predict(images).shape == (90,)
    assert model.predict_proba(images).sum(1) == pytest.approx(np.ones(90), abs=1e-5)
    result = model.evaluate(images, labels)
    assert result["low"] <= result["accuracy"] <= result["high"]
    drawn, asked = model.sample(6)
    assert drawn.shape == (6, 8, 8, 1) and asked.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.array_equal(model.sample(np.array([0, 1]))[0], drawn[:2])
    assert model.audit_["verdict"] in {"LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID"}


def test_saved_model_loads_to_the_same_predictions_and_samples(model: Upcycler, tmp_path: Path) -> None:
    images, _ = blobs(20, seed=6)
    loaded = Upcycler.load(model.save(tmp_path / "saved"))
    assert np.array_equal(loaded.predict_proba(images), model.predict_proba(images))
    assert np.array_equal(loaded.sample(4)[0], model.sample(4)[0])


def test_misuse_is_said_in_one_line(model: Upcycler, tmp_path: Path) -> None:
    with pytest.raises(UpcycleError, match="fitted first"):
        Upcycler().predict(np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(UpcycleError, match="must be 8 x 8 pixels, as all training images were"):
        model.predict(np.zeros((1, 9, 9), np.uint8))
    with pytest.raises(UpcycleError, match=r"Upcycler\.save"):
        Upcycler.load(tmp_path)
    with pytest.raises(UpcycleError, match="generator"):
        Upcycler(settings={"generator.imges": 3}).fit(*blobs())


def test_public_names_are_there_and_nothing_else() -> None:
    assert all(getattr(upcycle, name) for name in upcycle.__all__)
    with pytest.raises(AttributeError, match="no attribute"):
        upcycle.nothing  # noqa: B018
