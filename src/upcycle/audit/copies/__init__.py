"""Do synthetic images lie too near private ones? Copies, memorisation, and the gate that snapshots must pass."""

from upcycle.audit.copies._nearest import near_copies, nearest_two

__all__ = [
    "near_copies",
    "nearest_two",
]
