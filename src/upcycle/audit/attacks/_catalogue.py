"""Every attack's card, in the order in which a report lists them."""

from __future__ import annotations

from functools import partial

from upcycle.audit.attacks import _card as names
from upcycle.audit.attacks._card import AttackCard
from upcycle.audit.attacks._generator_weights import ADVERSARIAL_CARDS, DENOISER_CARDS
from upcycle.audit.attacks._heads import HEAD_CARDS
from upcycle.audit.attacks._label_only import LABEL_ONLY_CARDS
from upcycle.audit.attacks._learned import learned_cards
from upcycle.audit.attacks._lira import (
    DIFFICULTY_CARDS,
    LIRA_CARDS,
    difficulty_calibrated,
    lira_offline_density,
    lira_offline_one_sided,
    lira_online,
)
from upcycle.audit.attacks._quantile import QUANTILE_CARDS
from upcycle.audit.attacks._released import DENSITY_CARDS, NEIGHBOUR_CARDS, SOFT_LABEL_CARDS
from upcycle.audit.attacks._rmia import RMIA_CARDS, rmia
from upcycle.audit.attacks._sets import SET_CARDS
from upcycle.audit.attacks._shadow_set import ShadowAttack
from upcycle.audit.attacks._student_t import STUDENT_T_CARDS


def attack_cards() -> tuple[AttackCard, ...]:
    """The card of every attack there is: the toolkit first, its primary attack at the head, then by what they need."""
    return (
        *learned_cards(),
        *QUANTILE_CARDS,
        *HEAD_CARDS,
        *LABEL_ONLY_CARDS,
        *DIFFICULTY_CARDS,
        *LIRA_CARDS,
        *RMIA_CARDS,
        *STUDENT_T_CARDS,
        *NEIGHBOUR_CARDS,
        *SET_CARDS,
        *DENSITY_CARDS,
        *SOFT_LABEL_CARDS,
        *ADVERSARIAL_CARDS,
        *DENOISER_CARDS,
    )


def shadow_attacks() -> dict[str, ShadowAttack]:
    """(answers of all pipelines, target) -> scores (records,), by the name that a plan uses. The shrunk Student-t ratio is
    not among them: its statistics are computed once for all targets."""
    return {
        names.LIRA: lira_online,
        names.RMIA: rmia,
        names.LIRA_DENSITY: lira_offline_density,
        names.LIRA_ONE_SIDED: lira_offline_one_sided,
        names.RMIA_OFFLINE: partial(rmia, form="offline"),
        names.DIFFICULTY: difficulty_calibrated,
    }
