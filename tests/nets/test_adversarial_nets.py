"""Networks of the GANs: projection and attention against naive code, spectral norm, odd sizes; views inside the loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upcycle.nets import (
    BigGanDiscriminator,
    BigGanGenerator,
    ConditionalNorm,
    ConvDiscriminator,
    ConvGenerator,
    ProjectionHead,
    SelfAttention,
    diff_augment,
    parameter_count,
    plain_state,
)
from upcycle.nets._conditional import prepared

SIZES = [(1, 27, 2), (3, 28, 2), (1, 32, 4), (3, 64, 2), (1, 8, 1), (1, 9, 1)]
POLICIES = [("translation",), ("cutout",), ("color",), ("color", "translation", "cutout")]


def conv_pair(channels: int, size: int, patch: int) -> tuple[ConvGenerator, ConvDiscriminator]:
    return (
        ConvGenerator(channels, 3, size, width=4, latent=5, embedding=3, blocks=1, patch=patch),
        ConvDiscriminator(channels, 3, size, width=4, blocks=2, patch=patch),
    )


def biggan_pair(channels: int, size: int, *, spectral: bool = True) -> tuple[BigGanGenerator, BigGanDiscriminator]:
    shape = (channels, 3, size)
    return (
        BigGanGenerator(shape, width=4, latent=5, embedding=3, depth=2, attention=True, spectral=spectral),
        BigGanDiscriminator(*shape, width=4, depth=2, attention=True),
    )


@pytest.mark.parametrize(("channels", "size", "patch"), SIZES)
def test_gans_draw_and_judge_every_size_within_the_range_of_pixels(channels: int, size: int, patch: int) -> None:
    labels = torch.tensor([0, 2])
    for generator, discriminator in (conv_pair(channels, size, patch), biggan_pair(channels, size)):
        drawn = generator(torch.randn(2, 5), labels)
        assert drawn.shape == (2, channels, size, size)
        assert drawn.abs().max() <= 1
        assert discriminator(drawn, labels).shape == (2,)


def test_biggan_deep_has_the_size_of_the_predecessors_generator() -> None:
    net = BigGanGenerator((3, 7, 32), width=128, latent=128, embedding=128, depth=2, attention=True, spectral=False)
    assert parameter_count(net) == pytest.approx(9.3e6, rel=0.01)


@pytest.mark.parametrize("pair", [lambda: conv_pair(1, 8, 1), lambda: biggan_pair(1, 8)])
def test_class_and_latent_both_change_the_image(pair: object) -> None:
    torch.manual_seed(0)
    generator, discriminator = pair()  # type: ignore[operator]
    generator.eval()
    z, w = torch.randn(2, 1, 5)
    zero, one = torch.tensor([0]), torch.tensor([1])
    base = generator(z, zero)
    assert not torch.allclose(base, generator(w, zero)) and not torch.allclose(base, generator(z, one))
    assert not torch.allclose(discriminator(base, zero), discriminator(base, one))


def test_projection_is_the_linear_score_plus_the_inner_product_with_the_class() -> None:
    torch.manual_seed(0)
    head = ProjectionHead(6, 4).eval()
    torch.nn.init.normal_(head.linear.bias)
    features, labels = torch.randn(5, 6), torch.tensor([0, 3, 1, 1, 2])
    w, b, e = head.linear.weight[0], head.linear.bias[0], head.embed.weight
    naive = [
        sum(w[i] * h[i] for i in range(6)) + b + sum(e[y][i] * h[i] for i in range(6))
        for h, y in zip(features, labels, strict=True)
    ]
    torch.testing.assert_close(head(features, labels), torch.stack(naive))


def test_conditional_norm_starts_near_plain_batch_norm_and_not_at_zero() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 3, 4, 4) * 5 + 2
    out = ConditionalNorm(3, 7, spectral=False)(x, torch.randn(64, 7))
    assert out.std().item() == pytest.approx(1, abs=0.1)


def test_conditional_norm_equals_gain_times_normalised_plus_shift() -> None:
    norm = ConditionalNorm(2, 3, spectral=False)
    x, c = torch.randn(8, 2, 3, 3), torch.randn(8, 3)
    normal = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    gain, shift = 1 + c @ norm.gain.weight.T, c @ norm.shift.weight.T
    torch.testing.assert_close(norm(x, c), gain[:, :, None, None] * normal + shift[:, :, None, None], atol=1e-5, rtol=1e-4)


def test_attention_equals_softmax_written_out_and_starts_as_the_identity() -> None:
    torch.manual_seed(0)
    block = SelfAttention(8, spectral=False)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x), x)
    torch.nn.init.constant_(block.gamma, 0.7)
    query = block.query(x).flatten(2)
    key, value = (torch.nn.functional.max_pool2d(f(x), 2).flatten(2) for f in (block.key, block.value))
    weights = torch.einsum("ncq,nck->nqk", query, key).softmax(2)
    mixed = torch.einsum("nqk,nck->ncq", weights, value).view(2, 4, 4, 4)
    torch.testing.assert_close(block(x), x + 0.7 * block.out(mixed), atol=1e-5, rtol=1e-4)


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = prepared(torch.nn.Linear(6, 4), spectral=True)
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(torch.randn(4, 6) * 3)
        for _ in range(100):
            layer(torch.zeros(1, 6))  # one power iteration each
    assert torch.linalg.matrix_norm(layer.eval().weight, 2).item() == pytest.approx(1, rel=1e-3)


def test_network_without_spectral_norm_draws_the_same_images_from_the_plain_state() -> None:
    torch.manual_seed(0)
    trained, plain = biggan_pair(1, 8)[0], biggan_pair(1, 8, spectral=False)[0]
    z, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    for _ in range(3):
        trained(z, labels)
    vectors = {n: t.clone() for n, t in trained.state_dict().items() if n.endswith("_u")}
    plain.load_state_dict(plain_state(trained))
    assert all(torch.equal(trained.state_dict()[n], t) for n, t in vectors.items()), "reading must not iterate"
    torch.testing.assert_close(plain.eval()(z, labels), trained.eval()(z, labels), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("policy", POLICIES)
def test_gradients_pass_through_every_view_and_its_shape_stays(policy: tuple[str, ...]) -> None:
    x = torch.rand(4, 3, 9, 9, requires_grad=True)
    rng = torch.Generator().manual_seed(0)
    view = diff_augment(x, policy, rng)
    (gradient,) = torch.autograd.grad(view.square().sum(), x)
    assert view.shape == x.shape
    assert (gradient.abs().sum((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_gradient_of_a_view_is_that_of_finite_differences(policy: tuple[str, ...]) -> None:
    x = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)

    def view(images: torch.Tensor) -> torch.Tensor:
        return diff_augment(images.float(), policy, torch.Generator().manual_seed(1)).double()

    assert torch.autograd.gradcheck(view, (x,), eps=1e-2, atol=1e-3)


def test_views_depend_on_the_generator_alone_and_mix_no_two_images() -> None:
    x = torch.arange(4.0)[:, None, None, None].expand(4, 1, 8, 8) / 4
    first, again = (diff_augment(x, ("translation",), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first, x), "constant images stay what they are, each in its own row: labels keep their meaning"


@settings(max_examples=20, deadline=None)
@given(side=st.integers(4, 33), seed=st.integers(0, 2**31))
def test_translation_is_a_shift_with_repeated_edges(side: int, seed: int) -> None:
    x = torch.rand(1, 1, side, side)
    (moved,) = diff_augment(x, ("translation",), torch.Generator().manual_seed(seed))[0]
    most = max(1, round(side / 8))
    lines = torch.arange(side)
    candidates = [
        x[0, 0][(lines + r).clamp(0, side - 1)][:, (lines + c).clamp(0, side - 1)]
        for r in range(-most, most + 1)
        for c in range(-most, most + 1)
    ]
    assert any(torch.equal(moved, candidate) for candidate in candidates)


def test_cutout_hides_one_square_of_half_the_side() -> None:
    holes = diff_augment(torch.ones(200, 1, 8, 8), ("cutout",), torch.Generator().manual_seed(0)) == 0
    assert holes.sum((1, 2, 3)).max() == 16
    assert holes.sum((1, 2, 3)).min() >= 4, "a centre in the corner leaves a quarter of it"
