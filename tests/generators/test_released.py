"""A generator that left can be opened by whoever has its folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from upcycle import load_generator
from upcycle.config import EdmConfig, SamplerConfig
from upcycle.errors import UpcycleError
from upcycle.generators import GENERATOR_FACTS, EdmGenerator, ImageShape, generator_facts

CONFIG = EdmConfig(channels=(8,), patch=2, batch=32, warmup_images=32, snapshots=1)


@pytest.fixture
def release(tmp_path: Path) -> tuple[EdmGenerator, Path]:
    folder = tmp_path / "generator"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1), dtype=np.uint8)
    made = EdmGenerator(ImageShape(1, 8, 2), CONFIG, SamplerConfig(steps=3))
    made.fit(images, np.arange(32) % 2, seed=0, budget=64, resume=folder)
    (folder / GENERATOR_FACTS).write_text(json.dumps(generator_facts(made)))
    return made, tmp_path


def test_it_draws_what_it_drew_before_it_left(release: tuple[EdmGenerator, Path]) -> None:
    made, root = release
    asked = np.array([0, 1, 1])
    for place in (root, root / "generator", str(root)):
        np.testing.assert_array_equal(load_generator(place).sample(asked, seed=4), made.sample(asked, seed=4))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"shape": {"channels": 1, "size": 8, "classes": 2}, "generator": {"lr": -1}}']
)
def test_what_is_no_generator_of_a_release_is_refused_in_one_line(text: str, release: tuple[EdmGenerator, Path]) -> None:
    (release[1] / "generator" / GENERATOR_FACTS).write_text(text)
    with pytest.raises(UpcycleError, match=r"generator must be a folder with config.json") as caught:
        load_generator(release[1])
    assert len(str(caught.value).splitlines()) == 1
