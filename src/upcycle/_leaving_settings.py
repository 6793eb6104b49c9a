"""Settings of what is judged, what leaves, and what it may reveal."""

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from upcycle._section import Section


class AuditConfig(Section):
    """Membership inference by the five-attack toolkit."""

    non_member_share: float = Field(
        0.1, ge=0, lt=0.5, description="share of the training pool that a coin flip keeps away from every model"
    )
    min_non_members: int = Field(100, ge=0, description="smallest number of non-members; never over a quarter of the pool")
    folds: int = Field(5, ge=2, description="folds of the cross-fitted attacks")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of intervals; the verdict errs at most 1 minus it")


class ReleaseConfig(Section):
    """What leaves with the student."""

    synthetic_images: int = Field(2_000, ge=0, description="images in the synthetic set in release/synthetic; 0 writes none")
    programs: bool = Field(
        True,
        description="also write the student as programs that need no upcycle (torch.export; ONNX where it is installed)",
    )
    distilled: int = Field(
        0,
        ge=0,
        description="images seen by a generator that leaves too, having learned from that synthetic set alone; 0 = none leaves",
    )

    @field_validator("distilled")
    @classmethod
    def _of_a_set(cls, value: int, info: ValidationInfo) -> int:
        if value and not info.data.get("synthetic_images", 1):
            raise PydanticCustomError("set", "0 where release.synthetic_images is 0, since it learns from that set")
        return value


class GateConfig(Section):
    """What a release may reveal, by upper limits that its audits must show; none leaves it to the verdict.

    Tightened by itself for fewer than 500 records or patients.
    """

    tpr_at_1pct: float | None = Field(
        None, gt=0.01, le=1, description="share of used records, planted ones too, found at one false alarm in a hundred"
    )
    per_record: float | None = Field(
        None, gt=0.5, le=1, description="rate at which membership of the worst record is told, 0.5 being a guess"
    )
    patients: float | None = Field(
        None, gt=0.01, le=1, description="share of used patients found at one false alarm in a hundred"
    )
