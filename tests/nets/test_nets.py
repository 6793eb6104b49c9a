"""Networks: shapes at odd sizes, folded inference, and views that keep pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upcycle.config import ClassifierConfig
from upcycle.nets import Augmentation, UNet, augment, classifier_factory, for_inference, parameter_count, to_input
from upcycle.nets._classifier import ConvNorm
from upcycle.nets._unet import dropout


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 27), (1, 28), (3, 33), (1, 64)])
def test_classifier_takes_every_square_size(channels: int, size: int) -> None:
    net = classifier_factory(ClassifierConfig(width=8, blocks=1))(channels, 5, size)
    assert net(torch.randn(2, channels, size, size)).shape == (2, 5)


@pytest.mark.parametrize("inner", [4, 8])
@pytest.mark.parametrize("side", [7, 8])
def test_a_strided_shortcut_is_the_convolution_that_it_says(inner: int, side: int) -> None:
    """Also where a narrow one goes another way."""
    shortcut, x = ConvNorm(inner, 2 * inner, 1, 2, norm=lambda _: torch.nn.Identity()), torch.randn(3, inner, side, side)
    expected = torch.nn.functional.conv2d(x, shortcut.conv.weight, stride=2)
    torch.testing.assert_close(shortcut(x), expected)


@pytest.mark.parametrize("width", [4, 6, 7])
def test_a_narrow_classifier_has_no_strided_1x1_convolution_which_corrupts_memory_on_some_processors(width: int) -> None:
    net = classifier_factory(ClassifierConfig(width=width, blocks=2))(1, 3, 28)
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1)]
    assert convolutions and all(m.stride == (1, 1) for m in convolutions if m.in_channels < 8)


@pytest.mark.parametrize(("size", "patch", "widths"), [(8, 1, (8, 16)), (27, 2, (8, 16)), (28, 2, (8, 16, 16)), (9, 3, (8,))])
def test_unet_returns_its_input_shape_at_odd_sizes(size: int, patch: int, widths: tuple[int, ...]) -> None:
    net = UNet(3, 4, widths=widths, blocks=2, patch=patch, dropout=0.1)
    x = torch.randn(2, 3, size, size)
    assert net(x, torch.zeros(2), torch.tensor([0, 4])).shape == x.shape


def test_unet_starts_as_the_zero_function_so_that_early_steps_are_stable() -> None:
    net = UNet(1, 2, widths=(8, 8), blocks=1, patch=2, dropout=0.0)
    assert net(torch.randn(2, 1, 8, 8), torch.zeros(2), torch.zeros(2).long()).abs().max() == 0


def test_unet_listens_to_class_and_noise_once_it_is_trained() -> None:
    torch.manual_seed(0)
    net = UNet(1, 2, widths=(8, 8), blocks=1, patch=2, dropout=0.0).eval()
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.2)
    x = torch.randn(1, 1, 8, 8)
    base = net(x, torch.zeros(1), torch.zeros(1).long())
    assert not torch.allclose(base, net(x, torch.zeros(1), torch.ones(1).long()))
    assert not torch.allclose(base, net(x, torch.ones(1), torch.zeros(1).long()))


def test_resnet20_of_the_paper_family_has_its_known_size() -> None:
    net = classifier_factory(ClassifierConfig(width=64, blocks=3))(3, 10, 32)
    assert parameter_count(net) == pytest.approx(4.3e6, rel=0.03)


def test_folded_network_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    net = classifier_factory(ClassifierConfig(width=8, blocks=2))(3, 5, 28)
    for _ in range(3):
        net(torch.randn(16, 3, 28, 28) * 2 + 1)
    x = torch.randn(4, 3, 28, 28)
    torch.testing.assert_close(for_inference(net)(x), net.eval()(x), atol=1e-4, rtol=1e-4)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules()), "the original must stay as it is"


def test_input_spans_minus_one_to_one_and_is_channels_last() -> None:
    x = to_input(torch.tensor([[[[0, 255]]]], dtype=torch.uint8), torch.device("cpu"))
    assert x.shape == (1, 2, 1, 1) and x.flatten().tolist() == [-1.0, 1.0]
    many = to_input(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), torch.device("cpu"))
    assert many.is_contiguous(memory_format=torch.channels_last)


def test_no_augmentation_returns_the_images_themselves() -> None:
    images = torch.randint(0, 255, (3, 5, 5, 1), dtype=torch.uint8)
    assert augment(images, Augmentation(), torch.Generator()) is images


def test_flips_are_exact_mirrors_and_both_sides_appear() -> None:
    images = torch.arange(16, dtype=torch.uint8).view(1, 4, 4, 1).repeat(64, 1, 1, 1)
    views = augment(images, Augmentation(horizontal=True), torch.Generator().manual_seed(0))
    mirrored = (views == images.flip(2)).flatten(1).all(1)
    assert ((views == images).flatten(1).all(1) ^ mirrored).all()
    assert 0.2 < mirrored.float().mean() < 0.8


@settings(max_examples=25, deadline=None)
@given(shift=st.integers(1, 3), seed=st.integers(0, 1000))
def test_a_shift_moves_the_image_and_repeats_its_edge(shift: int, seed: int) -> None:
    image = torch.arange(36, dtype=torch.uint8).view(1, 6, 6, 1)
    view = augment(image, Augmentation(shift), torch.Generator().manual_seed(seed))[0, :, :, 0]
    moved = {
        bytes(image[0, (torch.arange(6) + dy).clamp(0, 5)][:, (torch.arange(6) + dx).clamp(0, 5), 0].contiguous().numpy())
        for dy in range(-shift, shift + 1)
        for dx in range(-shift, shift + 1)
    }
    assert bytes(view.contiguous().numpy()) in moved


def test_contrast_stretches_every_image_about_its_own_mean_within_its_limits() -> None:
    images = torch.tensor([60, 140, 60, 140], dtype=torch.uint8).view(1, 2, 2, 1).repeat(400, 1, 1, 1)
    views = augment(images, Augmentation(contrast=0.25), torch.Generator().manual_seed(0)).float()
    factors = (views[:, 0, 1, 0] - 100) / 40
    assert 0.8 - 0.02 <= factors.min() < 0.82 and 1.23 < factors.max() <= 1.25 + 0.02
    assert (views.mean((1, 2, 3)) - 100).abs().max() <= 0.5, "the brightness stays"
    assert factors.log().mean().abs() < 0.02, "as often flatter as stronger"
    wide = augment(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1).repeat(50, 1, 1, 1), Augmentation(contrast=1.0),
                   torch.Generator().manual_seed(0))  # fmt: skip
    assert (wide[:, 0, 0] <= 64).all() and (wide[:, 0, 1] >= 191).all(), "nothing wraps around"


def test_dropout_keeps_the_mean_drops_its_share_and_leaves_no_pattern() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 8, 9, 9).to(memory_format=torch.channels_last)
    out = dropout(x, 0.25)
    dropped = out == 0
    assert dropped.float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert out[~dropped].unique().tolist() == pytest.approx([4 / 3])
    by_byte = dropped.permute(0, 2, 3, 1).reshape(-1, 8).float().mean(0)
    assert by_byte.tolist() == pytest.approx([0.25] * 8, abs=0.03), "every byte of a draw must be random"
    assert out.is_contiguous(memory_format=torch.channels_last)
