"""Mixed precision: nearly the same answers and gradients, float32 weights, and only where the machine computes in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.conftest import blobs
from upcycle._machine import learning_dtype
from upcycle.config import ClassifierConfig, EdmConfig, SamplerConfig
from upcycle.data import ImageSet
from upcycle.generators import EdmGenerator, ImageShape, make_generator
from upcycle.nets import ResidualClassifier, UNet, classifier_factory, mixed
from upcycle.recycle import Recipe, train_classifier

CPU = torch.device("cpu")
EDM = EdmConfig(channels=(8, 16), patch=1, batch=32, warmup_images=64, snapshots=1)


@pytest.mark.parametrize("name", ["classifier", "unet"])
def test_answers_and_gradients_are_those_of_float32_to_a_few_percent(name: str) -> None:
    rng = torch.manual_seed(0)
    x = torch.randn(64, 1, 16, 16, generator=rng)
    if name == "unet":
        net: torch.nn.Module = UNet(1, 3, widths=(16, 32), blocks=1, patch=1, dropout=0.0)
        inputs = (x, torch.randn(64, generator=rng), torch.arange(64) % 3)
    else:
        net, inputs = ResidualClassifier(1, 3, 16, width=8, blocks=1), (x,)
    for p in net.parameters():
        torch.nn.init.normal_(p, 0, 0.1, generator=rng)
    answers, gradients = [], []
    for dtype in (torch.float32, torch.bfloat16):
        net.zero_grad()
        found = mixed(net, dtype, *inputs)
        found.square().mean().backward()
        answers.append(found.detach())
        gradients.append(torch.cat([p.grad.ravel() for p in net.parameters() if p.grad is not None]))
    assert answers[1].dtype == gradients[1].dtype == torch.float32
    for one, other in (answers, gradients):
        assert 0 < float((one - other).norm() / one.norm()) < 0.05


def test_a_classifier_that_learned_in_bfloat16_keeps_float32_weights_and_sees_the_classes() -> None:
    images, labels = blobs(300)
    data = ImageSet(images[..., None], labels)
    config = ClassifierConfig(width=8, blocks=1, batch=32, min_images=1_500, max_images=1_500)
    recipe = Recipe(classifier_factory(config), 3, config, dtype=torch.bfloat16)
    found = train_classifier(data, data, recipe, seed=0)
    assert found.validation_accuracy is not None and found.validation_accuracy > 0.95
    assert {p.dtype for p in found.net.parameters()} == {torch.float32}


@pytest.mark.usefixtures("small_batches")
def test_images_drawn_in_bfloat16_depend_on_their_index_alone_and_are_those_of_float32_but_for_rounding() -> None:
    images, labels = blobs(200)
    fast = EdmGenerator(ImageShape(1, 8, 3), EDM, SamplerConfig(steps=4), dtype=torch.bfloat16)
    fast.fit(images[..., None], labels, seed=0, budget=1_000)
    asked = np.arange(30) % 3
    drawn = fast.sample(asked, seed=1)
    np.testing.assert_array_equal(fast.sample(asked[5:9], seed=1, indices=np.arange(5, 9)), drawn[5:9])
    exact = make_generator(ImageShape(1, 8, 3), EDM, SamplerConfig(steps=4)).holding(fast.tensors(fast.snapshots()[-1]), {})
    difference = np.abs(exact.sample(asked, seed=1).astype(int) - drawn)
    assert 0 < difference.mean() < 3


def test_auto_takes_bfloat16_only_where_the_machine_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, wanted in (({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({}, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found, raising=False)
        assert learning_dtype("auto", CPU) == wanted
        assert learning_dtype("float32", CPU) == torch.float32
        assert learning_dtype("bfloat16", CPU) == torch.bfloat16
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert learning_dtype("auto", CPU) == torch.float32, "an older torch"
    assert learning_dtype("auto", torch.device("mps")) == torch.float32
