"""Shadow sets: what cannot be attacked is refused by name, and no reference gives the target's membership away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from upcycle.audit.attacks._shadow_set import ShadowSet, record_statistic, reference_indices
from upcycle.audit.attacks._signals import signals
from upcycle.errors import AuditInputError


def parts(pipelines: int = 6, records: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    """A sound shadow set's arrays: coin flips, redrawn for records that are always in or always out."""
    rng = np.random.default_rng(seed)
    member = rng.random((pipelines, records)) < 0.5
    member[0], member[1] = member[0] | (member.sum(0) == 0), member[1] & (member.sum(0) < pipelines)
    return {
        "logits": rng.normal(size=(pipelines, records, 2, 3)).astype(np.float32),
        "member": member,
        "labels": rng.integers(0, 3, records),
    }


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    arrays = parts()
    return {**arrays, name: change(arrays[name].copy())}


def put(index: object, value: object) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        (changed("logits", lambda a: a[:, :, 0]), "logits must be floats of shape"),
        (changed("logits", lambda a: a[:1]), "logits must be floats of shape"),
        (changed("logits", lambda a: a[..., :1]), "logits must be floats of shape"),
        (changed("logits", lambda a: a.astype(int)), "logits must be floats of shape"),
        (changed("logits", put((2, 3, 1, 0), np.nan)), "NaN or infinity for 1 records in pipelines 2"),
        (changed("logits", put((4, 3, 1, 0), np.inf)), "NaN or infinity for 1 records in pipelines 4"),
        (changed("logits", lambda a: a[[0, 1, 2, 3, 4, 1]]), "differ in their logits. Got equal ones: 1 = 5"),
        (changed("member", lambda a: a.T), "member must be booleans of shape"),
        (changed("member", lambda a: a.astype(float)), "member must be booleans of shape"),
        (changed("member", lambda a: a * 2), "member must be True or False"),
        (changed("member", put((slice(None), 7), False)), "Got 1 never in and 0 never out"),
        (changed("member", put((slice(None), [7, 9]), True)), "Got 0 never in and 2 never out"),
        (changed("member", put(3, True)), "all or none in pipelines 3"),
        (changed("member", lambda a: a[[0, 1, 2, 3, 4, 0]]), "differ in their members. Got equal ones: 0 = 5"),
        (changed("labels", lambda a: a[:-1]), "labels must be integers of shape"),
        (changed("labels", lambda a: a.astype(float)), "labels must be integers of shape"),
        (changed("labels", put(0, 3)), r"labels must be in 0..2. Got 0..3"),
        (changed("labels", put(0, -1)), r"labels must be in 0..2. Got -1..2"),
    ],
)
def test_every_fault_has_its_own_line(arrays: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(AuditInputError, match=says):
        ShadowSet(**arrays)


def test_all_faults_come_at_once() -> None:
    arrays = parts()
    arrays["member"][5] = ~arrays["member"][4]
    arrays["labels"][0], arrays["member"][3], arrays["logits"][0, 0] = 9, True, np.nan
    with pytest.raises(AuditInputError) as caught:
        ShadowSet(**arrays)
    assert len(caught.value.problems) == 3


def test_the_target_is_not_among_its_references() -> None:
    shadows = ShadowSet(**parts())
    np.testing.assert_array_equal(reference_indices(shadows.member, 2), [0, 1, 3, 4, 5])


def pairs(pipelines: int, records: int, canaries: int, seed: int) -> np.ndarray:
    """Membership in complementary pairs; the first `canaries` records have a coin of their own in every pipeline."""
    rng = np.random.default_rng(seed)
    half = rng.random((pipelines // 2, records)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(pipelines, records)
    member[:, :canaries] = rng.random((pipelines, canaries)) < 0.5
    return member


def test_the_complementary_partner_is_no_reference_even_where_canaries_flip_their_own_coins() -> None:
    arrays = parts(8, 100)
    arrays["member"] = pairs(8, 100, 3, 1)
    others = reference_indices(arrays["member"], 2)
    np.testing.assert_array_equal(others, [0, 1, 4, 5, 6, 7])
    assert (arrays["member"][others, 3:].sum(0) == 3).all()


def test_a_design_whose_counts_tell_membership_is_refused() -> None:
    """Every record in exactly three of six pipelines, but not in pairs."""
    arrays = parts(6, 200)
    arrays["member"] = np.random.default_rng(0).permuted(np.tile(np.arange(6) < 3, (200, 1)), axis=1).T
    with pytest.raises(AuditInputError, match="tells whether the target had it"):
        reference_indices(arrays["member"], 0)


@pytest.mark.parametrize(("pipelines", "target", "says"), [(2, 0, "at least two pairs"), (4, 4, r"target must be in 0..3")])
def test_targets_that_cannot_be_attacked_are_refused(pipelines: int, target: int, says: str) -> None:
    arrays = parts(pipelines, 100)
    arrays["member"] = pairs(pipelines, 100, 0, 0)
    with pytest.raises(AuditInputError, match=says):
        reference_indices(arrays["member"], target)


def test_statistic_of_every_view_is_the_signal_of_that_view() -> None:
    shadows = ShadowSet(**parts())
    found = record_statistic(shadows.logits, shadows.labels, "hinge")
    assert found.shape == (6, 40, 2)
    np.testing.assert_array_equal(found[3, :, 1], signals()["hinge"](shadows.logits[3, :, 1], shadows.labels))
    with pytest.raises(AuditInputError, match="signal must be one of"):
        record_statistic(shadows.logits, shadows.labels, "margin")
