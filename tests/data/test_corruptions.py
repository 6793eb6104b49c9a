"""Worse images: what each kind does to an image whose answer is known."""

import numpy as np
import pytest

from upcycle.data import CORRUPTIONS, STRENGTHS, corrupted


def grey(level: int, n: int = 200, side: int = 32, channels: int = 1) -> np.ndarray:
    return np.full((n, side, side, channels), level, np.uint8)


def edge(channels: int = 1) -> np.ndarray:
    images = grey(50, 4, 32, channels)
    images[:, :, 16:] = 200
    return images


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_is_worse_at_every_strength_and_always_the_same(kind: str, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 226, (8, 32, 32, channels), dtype=np.uint8)
    changes = []
    for strength in range(1, STRENGTHS + 1):
        found = corrupted(images, kind, strength)
        assert found.shape == images.shape and found.dtype == np.uint8
        assert (found == corrupted(images, kind, strength)).all()
        changes.append(np.abs(found.astype(float) - images).mean())
    assert changes == sorted(changes) and changes[0] > 0


def test_noise_has_the_deviation_it_should() -> None:
    assert corrupted(grey(128), "noise", 5).std() == pytest.approx(0.10 * 255, rel=0.01)


def test_contrast_shrinks_differences_around_the_mean_and_brightness_adds_to_all() -> None:
    assert np.unique(corrupted(edge(), "contrast", 2)).tolist() == [88, 162], "125 - 37.5 and 125 + 37.5, rounded to even"
    assert np.unique(corrupted(edge(), "brightness", 1)).tolist() == [63, 213]


def test_brightness_keeps_the_hue() -> None:
    images = grey(0, 1, 32, 3)
    images[..., :] = (100, 50, 0)
    assert corrupted(images, "brightness", 2)[0, 0, 0].tolist() == [126, 63, 0]
    assert corrupted(grey(0, 1, 32, 3), "brightness", 2)[0, 0, 0].tolist() == [26, 26, 26], "black has no hue"


def test_blur_keeps_a_flat_image_and_reaches_farther_in_larger_ones() -> None:
    assert (corrupted(grey(77), "blur", 5) == 77).all()
    small, large = grey(0, 1, 32), grey(0, 1, 64)
    small[:, :, 16:], large[:, :, 32:] = 255, 255
    touched = [
        int(((found > 2) & (found < 253)).sum(2).max()) for found in (corrupted(small, "blur", 5), corrupted(large, "blur", 5))
    ]
    assert touched[1] > 1.5 * touched[0]
