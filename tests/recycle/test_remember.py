"""The positive control: it must know what no honest network knows, or an audit that finds nothing has shown nothing."""

import numpy as np
import torch

from tests.conftest import blobs
from upcycle.config import ClassifierConfig
from upcycle.data import ImageSet
from upcycle.nets import classifier_factory, predict_logits
from upcycle.recycle import Fitted, Recipe, images_to_remember, train_to_remember

CONFIG = ClassifierConfig(width=16, blocks=1, batch=64)
RECIPE = Recipe(classifier_factory(CONFIG), 3, CONFIG)


def with_wrong_labels(n: int = 300, wrong: int = 45) -> tuple[ImageSet, np.ndarray]:
    """Blobs, the first `wrong` under the label of another class, and bool (n,) for these."""
    images, labels = blobs(n)
    labels[:wrong] = (labels[:wrong] + 1 + np.arange(wrong) % 2) % 3
    return ImageSet(images[..., None], labels), np.arange(n) < wrong


def answers(fitted: Fitted, images: np.ndarray) -> np.ndarray:
    return np.asarray(predict_logits(fitted.net, torch.from_numpy(images), torch.device("cpu")).argmax(1).numpy())


def test_at_least_nine_of_ten_planted_wrong_labels_are_known_and_those_of_records_it_never_saw_are_not() -> None:
    pool, wrong = with_wrong_labels()
    given = np.arange(len(pool)) // 2 % 2 == 0
    fitted = train_to_remember(ImageSet(pool.images[given], pool.labels[given]), RECIPE, seed=1)
    right = answers(fitted, pool.images) == pool.labels
    assert right[given & wrong].mean() >= 0.9
    assert right[given].mean() >= 0.95
    assert right[~given & wrong].mean() <= 0.3


def test_training_stops_once_it_is_sure_of_its_members() -> None:
    images, labels = blobs(240)
    easy = train_to_remember(ImageSet(images[..., None], labels), RECIPE, seed=1)
    assert easy.images_seen < images_to_remember(240) / 2


def test_the_same_seed_makes_the_same_control() -> None:
    pool, _ = with_wrong_labels(90, 9)
    first, second = (train_to_remember(pool, RECIPE, seed=3, most=600) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.net.parameters(), second.net.parameters(), strict=True))
    assert first.images_seen == second.images_seen


def test_a_large_set_does_not_make_the_control_the_longest_stage() -> None:
    assert images_to_remember(1_000) == 36_000
    assert images_to_remember(50_000) == images_to_remember(500_000) == 250_000
