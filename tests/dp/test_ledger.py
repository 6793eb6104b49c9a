"""The ledger of a release: what composes, what has no guarantee, and that no attack finds more than it says."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from scipy.stats import norm

from tests.conftest import blobs
from upcycle.audit.statistics import one_run_epsilon
from upcycle.data import ImageSet
from upcycle.dp import Ledger, Use, composed, train_head
from upcycle.dp._account import _by_loss, _by_renyi
from upcycle.errors import ConfigError
from upcycle.nets import predict_logits

DELTA = 1e-3
TINY = 1e-5  # a larger one swallows what thousands of guesses show
HEAD, MEANS, STEPS = Use("labels", 2.0), Use("means", 3.0), Use("generator", 1.5, 0.2, 40)


@pytest.fixture(autouse=True)
def _extra() -> None:
    pytest.importorskip("dp_accounting", reason="accounting needs the extra [dp]")


def test_a_release_spends_more_than_any_part_and_less_than_the_sum_of_all() -> None:
    alone = [composed([use], DELTA) for use in (HEAD, MEANS, STEPS)]
    whole = Ledger((HEAD, MEANS, STEPS), DELTA).epsilon()
    assert max(alone) < whole < 0.85 * sum(alone)


def test_sampled_and_one_shot_mechanisms_compose_by_the_tighter_accountant() -> None:
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.pld import PLDAccountant

    fine = PLDAccountant(value_discretization_interval=1e-4)
    for use in (HEAD, MEANS):
        fine.compose(GaussianDpEvent(use.noise))
    fine.compose(PoissonSampledDpEvent(STEPS.sampling_rate, GaussianDpEvent(STEPS.noise)), STEPS.times)
    found, truth = composed((HEAD, MEANS, STEPS), DELTA), fine.get_epsilon(DELTA)
    assert truth <= found <= truth * 1.01
    assert found < _by_renyi(((2.0, 1.0, 1), (3.0, 1.0, 1), (1.5, 0.2, 40)), DELTA, 1)


@pytest.mark.parametrize("images", [1, 4])
def test_one_shot_sums_are_accounted_exactly_for_an_image_and_for_a_patient(images: int) -> None:
    mu = images * math.sqrt(1 / HEAD.noise**2 + 5 / MEANS.noise**2)  # type: ignore[operator]
    found = composed((HEAD, Use("means", MEANS.noise, 1.0, 5)), DELTA, images)
    spent = norm.cdf(mu / 2 - found / mu) - math.exp(found) * norm.cdf(-mu / 2 - found / mu)
    assert spent == pytest.approx(DELTA, rel=1e-6)


def test_a_patient_spends_more_than_an_image_and_sampling_still_helps() -> None:
    loud = (4.0, 0.2, 20)
    image, patient, unsampled = (
        composed([Use("", *loud)], DELTA),
        composed([Use("", *loud)], DELTA, 3),
        composed([Use("", 4.0, 1.0, 20)], DELTA, 3),
    )
    assert image < patient < unsampled
    assert patient == min(_by_renyi((loud,), DELTA, 3), _by_loss((loud,), DELTA, 3))


def test_a_patient_by_whom_sampling_cannot_be_counted_is_accounted_without_it() -> None:
    small = Use("", 0.6, 0.2, 5)
    assert composed([small], DELTA, 4) == pytest.approx(_by_renyi(((0.15, 1.0, 5),), DELTA, 1))


def test_one_part_without_a_guarantee_leaves_none_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger((HEAD, Use("tuning on the validation split"), Use("a border")), DELTA)
    monkeypatch.setitem(sys.modules, "dp_accounting", None)  # nothing to account: no extra is needed to say so
    told = ledger.to_json()
    assert ledger.epsilon() == math.inf
    assert told["epsilon"] == {"image": None} and told["delta"] is None
    assert told["without_guarantee"] == ["tuning on the validation split", "a border"]
    assert ledger.said().startswith("No finite epsilon") and ledger.said().endswith("tuning on the validation split; a border.")


def test_a_ledger_says_unit_trust_model_delta_and_what_is_not_covered() -> None:
    ledger = Ledger((HEAD, STEPS), DELTA, images=2)
    told = ledger.to_json()
    assert list(told["epsilon"]) == ["image", "patient, of at most 2 images"]
    assert told["epsilon"]["image"] == ledger.epsilon() < told["epsilon"]["patient, of at most 2 images"]
    assert told["trust_model"].startswith("central") and told["delta"] == DELTA and told["not_covered"]
    first, second = told["mechanisms"]
    assert (first["mechanism"], second["mechanism"]) == ("Gaussian mechanism", "Poisson-subsampled Gaussian mechanism")
    assert (second["noise"], second["sampling_rate"], second["times"]) == (1.5, 0.2, 40)
    assert "for an image and" in ledger.said() and "for a patient" in ledger.said() and "central" in ledger.said()


def test_without_the_extra_an_epsilon_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ConfigError, match=r"Install upcycle\[dp\]"):
        Ledger((HEAD,), DELTA).epsilon()


def audited(scores: np.ndarray, inside: np.ndarray, delta: float) -> float:
    """The lower bound of an attacker who guesses the quarter of either side of which he is surest."""
    order, most = np.argsort(scores), len(scores) // 4
    right = int(inside[order[-most:]].sum() + (~inside[order[:most]]).sum())
    return one_run_epsilon(len(scores), 2 * most, right, confidence=0.999, delta=delta)


@pytest.mark.parametrize("uses", [(HEAD,), (HEAD, MEANS), (Use("", 0.7), STEPS), (Use("", 0.8, 0.5, 20), Use("", 1.0))])
def test_no_attack_on_all_outputs_together_finds_more_than_the_ledger_says(uses: tuple[Use, ...]) -> None:
    """The best attack there is on the worst record: the likelihood ratio of everything that was released."""
    rng, trials = np.random.default_rng(7), 8_000
    inside = rng.random(trials) < 0.5
    scores = np.zeros(trials)
    for use in uses:
        assert use.noise is not None
        taken = rng.random((trials, use.times)) < use.sampling_rate
        out = inside[:, None] * taken + use.noise * rng.standard_normal(taken.shape)
        shifted = np.exp((2 * out - 1) / (2 * use.noise**2))
        scores += np.log1p(use.sampling_rate * (shifted - 1)).sum(1)
    found, proven = audited(scores, inside, TINY), composed(uses, TINY)
    assert 0.1 * proven < found <= proven


@pytest.mark.parametrize(("epsilon", "least"), [(1.0, 0.0), (12.0, 0.5)])
def test_no_attack_on_heads_finds_more_than_their_epsilon(epsilon: float, least: float) -> None:
    """One wrongly labelled record, in or out by a coin, 300 heads: far too little noise would be found."""
    images, labels = blobs(40)
    images[0] = np.random.default_rng(0).integers(0, 256, (8, 8))
    inside = np.random.default_rng(1).random(300) < 0.5
    scores = np.empty(300)
    for seed, given in enumerate(inside):
        rows = np.arange(0 if given else 1, 40)
        fit = train_head(ImageSet(images[rows, ..., None], labels[rows]), 3, epsilon, seed=seed)
        logits = predict_logits(fit.net, torch.from_numpy(images[:1, ..., None]), torch.device("cpu"))[0]
        scores[seed] = float(logits[labels[0]] - np.delete(logits.numpy(), labels[0]).max())
    assert least <= audited(scores, inside, TINY) <= composed([Use("", fit.noise)], TINY)


def test_heads_of_one_seed_have_independent_noise() -> None:
    """Equal noise under two scales would cancel: the weights of both together would show the sums without any."""
    from upcycle.dp import _head

    drawn: list[np.ndarray] = []
    images, labels = blobs(60)
    data, usual = ImageSet(images[..., None], labels), _head.symmetric_noise
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_head, "symmetric_noise", lambda size, rng: drawn.append(usual(size, rng)) or drawn[-1])
        for epsilon in (1.0, 3.0):
            train_head(data, 3, epsilon, seed=5)
    assert abs(np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1]) < 0.1
