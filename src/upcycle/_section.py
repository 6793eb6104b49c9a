"""What every group of settings has in common: frozen, unknown keys refused, numbers within reason."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

WIDEST: Final = 0.28  # relative width of a power-function average; beyond it there is no such profile
_LARGEST = 2**53  # whole numbers up to it are exact as float64, and beyond it no library agrees


class Section(BaseModel):
    """A group of settings. Raises ValidationError for an unknown key and for a number that no library could use."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _within_reason(cls, value: Any) -> Any:
        """Larger numbers overflow somewhere inside torch or NumPy, hours later."""
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and abs(number) > _LARGEST:
                raise PydanticCustomError("too_large", "a number below 2^53")
        return value


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)):
        raise PydanticCustomError("order", "in rising order, each once")
    return values


RisingShares = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], AfterValidator(_rising)]
"""Shares of a run, each above the one before."""
