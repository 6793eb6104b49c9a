"""What every group of settings has in common: frozen, unknown keys refused, numbers within reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from upcycle._config_errors import explained
from upcycle.errors import ConfigError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _ModelMeta
else:
    _ModelMeta = type(BaseModel)  # its name is private, and its place may move

WIDEST: Final = 0.28  # relative width of a power-function average; beyond it there is no such profile
_LARGEST = 2**53  # whole numbers up to it are exact as float64, and beyond it no library agrees


class _Plain(_ModelMeta):
    """Makes the errors of `Section(...)` ours: ConfigError, a line for every problem."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise ConfigError(*explained(error, cls.known_names())) from None  # type: ignore[attr-defined]


class Section(BaseModel, metaclass=_Plain):
    """A group of settings. Raises ConfigError for an unknown key and for a number that no library could use."""

    # defaults are validated too: 16 and 16.0 are one setting, but not one text, and stages are keyed by the text
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    @classmethod
    def known_names(cls) -> list[str]:
        """Names of the settings."""
        return list(cls.model_fields)

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
