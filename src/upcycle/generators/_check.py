"""The public suite that any generator must pass to be plugged in."""

import tempfile
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import numpy as np

from upcycle._arguments import typed
from upcycle.errors import ArgumentError
from upcycle.generators._contract import Generator


@typed()
def check_generator(
    make: Callable[[int, int, int], Generator], *, channels: int = 1, size: int = 9, classes: int = 2, budget: int = 512
) -> None:
    """Hold the generators of `make(channels, size, classes)` to the contract; AssertionError names the first broken clause.

    Cheap: two fits of `budget` images on 64 tiny images. It says nothing about quality.
    """
    _check_parts(make, channels, size, classes)
    images, labels = _toy(channels, size, classes)
    with tempfile.TemporaryDirectory() as folder:
        fitted = make(channels, size, classes).fit(images, labels, seed=1, budget=budget, resume=Path(folder))
        _check_shape(fitted, channels, size, classes)
        _check_purity(fitted, classes)
        _check_snapshots(fitted, budget)
        drawn = fitted.sample(labels[:5], seed=3)
        again = make(channels, size, classes).fit(images, labels, seed=1, budget=budget, resume=Path(folder))
        assert np.array_equal(again.sample(labels[:5], seed=3), drawn), "a finished fit called again must change nothing"
    other = make(channels, size, classes).fit(images, labels, seed=1, budget=budget)
    assert np.array_equal(other.sample(labels[:5], seed=3), drawn), "equal seeds must give equal generators"


def _check_parts(make: Callable[[int, int, int], Generator], channels: int, size: int, classes: int) -> None:
    try:
        signature(make).bind(channels, size, classes)
    except (TypeError, ValueError) as error:  # the latter of functions written in C
        raise ArgumentError(
            f"make must be a function of (channels, size, classes). Got another one ({error}). Write lambda channels, size, "
            "classes: ... that makes a generator."
        ) from None
    made = make(channels, size, classes)
    lacking = [name for name in ("fit", "snapshots", "sample") if not callable(getattr(made, name, None))]
    name = type(made).__name__
    assert not lacking, f"a generator must have fit, snapshots and sample. Got {name} without {', '.join(lacking)}."


def _toy(channels: int, size: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(64) % classes
    levels = 60 + 120 * labels[:, None, None, None] / max(classes - 1, 1)
    noise = rng.normal(0, 20, (64, size, size, channels))
    return np.clip(levels + noise, 0, 255).astype(np.uint8), labels


def _check_shape(generator: Generator, channels: int, size: int, classes: int) -> None:
    drawn = generator.sample(np.arange(5) % classes, seed=0)
    assert drawn.dtype == np.uint8, f"samples must be uint8. Got {drawn.dtype}."
    shape = (size, size, channels)
    assert drawn.shape == (5, *shape), f"samples must have shape (n, side, side, channels), as in fit. Got {drawn.shape}."
    assert generator.sample(np.zeros(0, np.int64), seed=0).shape == (0, *shape), "no labels must give no images"


def _check_purity(generator: Generator, classes: int) -> None:
    labels = np.arange(7) % classes
    whole = generator.sample(labels, seed=5)
    picked = generator.sample(labels[[4, 2]], seed=5, indices=np.array([4, 2]))
    assert np.array_equal(whole[[4, 2]], picked), "sample k must depend on (snapshot, seed, indices[k]) only, not on its batch"
    far = generator.sample(labels, seed=5, indices=np.arange(7) + 2**40)
    assert not np.array_equal(far, whole), "another index must give another image"
    assert not np.array_equal(generator.sample(labels, seed=6), whole), "another seed must give other images"
    wide = generator.sample(labels, seed=5, spread=2.0)
    assert not np.array_equal(wide, whole), "spread must scale the latent: another one must give other images"
    state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    generator.sample(labels, seed=5)
    assert np.array_equal(state, np.random.get_state()[1]), "sampling must not use NumPy's global state"  # type: ignore[index]  # noqa: NPY002


def _check_snapshots(generator: Generator, budget: int) -> None:
    seen = [snapshot.images_seen for snapshot in generator.snapshots()]
    assert seen and seen == sorted(seen), "snapshots must be in the order of images seen"
    assert seen[-1] >= budget, f"the last snapshot must be the end of training ({budget} images). Got {seen[-1]}."
    labels, last = np.zeros(5, np.int64), generator.snapshots()[-1]
    same = np.array_equal(generator.sample(labels, seed=7, snapshot=last), generator.sample(labels, seed=7))
    assert same, "without a snapshot the last one must be drawn from"
