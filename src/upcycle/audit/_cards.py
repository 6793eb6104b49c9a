"""Every attack's card, in the order in which a report lists them."""

from __future__ import annotations

from upcycle.audit import _attacks
from upcycle.audit._adversarial import ADVERSARIAL_CARDS
from upcycle.audit._card import AttackCard
from upcycle.audit._denoiser import DENOISER_CARDS
from upcycle.audit._density import DENSITY_CARDS
from upcycle.audit._difficulty import DIFFICULTY_CARDS
from upcycle.audit._heads import HEAD_CARDS
from upcycle.audit._label_only import LABEL_ONLY_CARDS
from upcycle.audit._lira import LIRA_CARDS
from upcycle.audit._neighbours import NEIGHBOUR_CARDS
from upcycle.audit._quantile import QUANTILE_CARDS
from upcycle.audit._rmia import RMIA_CARDS
from upcycle.audit._sets import SET_CARDS
from upcycle.audit._soft_labels import SOFT_LABEL_CARDS
from upcycle.audit._student_t import STUDENT_T_CARDS


def attack_cards() -> tuple[AttackCard, ...]:
    """The card of every attack there is: the toolkit first, its primary attack at the head, then by what they need."""
    return (
        *_attacks.attack_cards(),
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
