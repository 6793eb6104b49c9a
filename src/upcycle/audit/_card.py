"""What is said about an attack wherever its number stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AttackCard:
    """What an attack is, where it comes from, what it needs, and when it means something.

    `threat_model` is the weakest adversary who can run it: T0 labels of the student, T1 its logits, T2 the synthetic
    images too, T3 their soft labels too, T4 the generator's weights too (and what trained them, where the card
    says so), T5 the teacher. `population` names the records (clean,
    outlier, canary) on which it says something.
    """

    name: str
    paper: str
    access: str
    assumption: str
    threat_model: str = "T1"
    population: str = "clean, outlier, canary"
