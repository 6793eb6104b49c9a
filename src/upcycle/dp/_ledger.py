"""The ledger of a release: every use of private records by anything in it, selection included, and the epsilon of all together,
in the terms of NIST SP 800-226: unit of privacy, trust model, delta, and what is not covered."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final, final

from upcycle.dp._account import Use, composed

TRUST: Final = "central: whoever trains holds all records, and keeps the seed that noise follows from"
NOT_COVERED: Final = (
    "the number of records, the names of the classes and the shape of images, which are taken as public",
    "settings that somebody chose after looking at these records or at results on them",
    "figures measured on private records, such as accuracies and audits, where they are published",
    "noise drawn in floating point, and how long a computation takes",
    "what is true of all records alike, such as a scanner that made them, which no unit by itself decides",
)


@final
@dataclass(frozen=True)
class Ledger:
    """All `uses` of the private records by one release.

    Attributes:
        delta: up to this probability the guarantee may not hold.
        images: largest number of images of a patient; 1 where every image is by itself.
    """

    uses: tuple[Use, ...]
    delta: float
    images: int = 1

    @property
    def unproven(self) -> tuple[str, ...]:
        """The uses without a guarantee, of which one is enough to leave the release without any."""
        return tuple(use.what for use in self.uses if use.noise is None)

    def epsilon(self, images: int = 1) -> float:
        """Of neighbours that differ by up to `images` images added or removed; infinite where something is unproven. Raises
        ConfigError without the extra [dp], unless something is."""
        return math.inf if self.unproven else composed(self.uses, self.delta, images)

    def units(self) -> dict[str, float]:
        """Epsilon by unit of privacy."""
        of_patient = {f"patient, of at most {self.images} images": self.epsilon(self.images)} if self.images > 1 else {}
        return {"image": self.epsilon(), **of_patient}

    def said(self) -> str:
        """The guarantee in a sentence, or that there is none and which parts lack it."""
        if self.unproven:
            return (
                f"No finite epsilon, for an image or a patient. Made from private records without a guarantee: "
                f"{'; '.join(self.unproven)}."
            )
        found = " and ".join(f"epsilon {value:.3g} for an {unit}" for unit, value in self.units().items())
        return (
            f"Differential privacy at delta {self.delta:.2g}: {found.replace('an patient', 'a patient')}, trust model central."
        )

    def to_json(self) -> dict[str, Any]:
        """With every use, by mechanism and parameters; an epsilon that is not finite is None."""
        uses = [{**asdict(use), "mechanism": use.mechanism} for use in self.uses]
        units = {unit: value if math.isfinite(value) else None for unit, value in self.units().items()}
        told: dict[str, Any] = {"said": self.said(), "epsilon": units, "delta": None if self.unproven else self.delta}
        told |= {"neighbours": "one unit added or removed", "trust_model": TRUST, "mechanisms": uses}
        return {**told, "without_guarantee": list(self.unproven), "not_covered": list(NOT_COVERED)}
