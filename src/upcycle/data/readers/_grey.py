"""From the numbers of a scanner to grey values, and which slices of a stack are taken."""

from collections.abc import Callable

import numpy as np


def chosen(count: int, slices: int, share: float) -> list[int]:
    """Indices of `slices` of `count`, evenly spaced over the central `share`; all of that share if `slices` is 0."""
    first, last = count * (1 - share) / 2, count * (1 + share) / 2
    if slices == 0:
        return list(range(int(first), min(int(np.ceil(last)), count)))
    places = first + (np.arange(slices) + 0.5) * (last - first) / slices
    return sorted({min(int(place), count - 1) for place in places})


def window(values: np.ndarray, center: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Values as shares of full white, in [0, 1] (DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3).

    Raises ValueError for a function that the standard does not know or a width it forbids.
    """
    functions: dict[str, Callable[[], np.ndarray]] = {
        "LINEAR": lambda: (values - (center - 0.5)) / max(width - 1, 1e-9) + 0.5,
        "LINEAR_EXACT": lambda: (values - center) / width + 0.5,
        "SIGMOID": lambda: 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700))),
    }
    if function not in functions or not width >= (1 if function == "LINEAR" else 1e-9):
        raise ValueError(f"window {function} of width {width:g}")
    return np.asarray(np.clip(functions[function](), 0, 1))


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values as shares of the way from `low` to `high`, in [0, 1]; all 0 where these are equal."""
    return np.asarray(np.clip((values - low) / (high - low), 0, 1)) if high > low else np.zeros(values.shape)


def to_bytes(shares: np.ndarray) -> np.ndarray:
    """uint8 of values in [0, 1]."""
    return np.asarray(np.rint(shares * 255).astype(np.uint8))
