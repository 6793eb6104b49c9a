"""matplotlib drawings as inline SVG that follows the page: colours are the page's CSS variables, so a figure is readable in the
light and in the dark, and ids are the figure's own, so two figures on a page never share one."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# matplotlib wants colours, the page wants names: each name is drawn in an unusual colour, which is replaced afterwards.
_NAMES = ("ink", "soft", "line", "card", "baseline", "teacher", "student", "plain", "generator", "other", "wrong")
_MARK = "#0f1e"
_PAINT = {name: f"{_MARK}{number:02x}" for number, name in enumerate(_NAMES)}
MARKERS = MappingProxyType({"baseline": "s", "teacher": "^", "student": "o", "plain": "D"})
DASHES = MappingProxyType({"baseline": "--", "teacher": "-.", "student": "-", "plain": ":"})
WIDE, HALF = 10.4, 5.1  # inches
_POINTS_PER_INCH, _PIXELS_PER_POINT = 72, 1.43
_MOST_KEPT = 16  # figures: more than the two pages of one run have
_kept: dict[bytes, str] = {}
_P = ParamSpec("_P")


def drawn_once(figure: Callable[_P, str]) -> Callable[_P, str]:
    """The figure, not drawn again while it is given the same data: most figures of a run's two pages are equal, and drawing
    them is most of a page's time. It is kept under a digest of all that it is given, and may depend on nothing else."""

    @wraps(figure)
    def found(*args: _P.args, **kwargs: _P.kwargs) -> str:
        key = blake2b(f"{figure.__qualname__} {_told((args, kwargs))}".encode()).digest()
        _kept[key] = text = _kept.pop(key, None) or figure(*args, **kwargs)
        while len(_kept) > _MOST_KEPT:
            del _kept[next(iter(_kept))]
        return text

    return found


def _told(value: Any) -> str:
    """The value as text, to the last bit of every number."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_told(key)}: {_told(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(_told, value)) + ")"
    return repr(value)


def paint(name: str) -> str:
    """The stand-in colour for a CSS variable of the page; unknown models get that of "other"."""
    return _PAINT.get(name, _PAINT["other"])


def percent(value: float, _position: object = None) -> str:
    """A fraction as in "5 %"; for an axis."""
    return f"{100 * value:g} %"


def short(name: str, longest: int) -> str:
    """The name, cut to `longest` letters."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def svg(draw: Callable[[Sequence[Axes]], None], *, name: str, label: str, size: tuple[float, float], columns: int = 1) -> str:
    """SVG text of what `draw(axes)` paints on one row of axes; `name` is unique on the page, `label` the text alternative.

    Equal input gives equal bytes: no date, ids hashed with a fixed salt. Text stays text.
    """
    import warnings

    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_style()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has the letters of every class name
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots(1, columns, squeeze=False)[0]
        for one in axes:
            one.patch.set_visible(False)
        draw(axes)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(stream.getvalue(), name, label, size)


def _style() -> Any:
    soft, line = paint("soft"), paint("line")
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "upcycle",
        "text.parse_math": False,  # a class may be called "$x"
        "font.size": 9,
        "font.family": "sans-serif",
        "text.color": soft,
        "axes.labelcolor": soft,
        "axes.edgecolor": line,
        "axes.titlecolor": paint("ink"),
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": line,
        "grid.linewidth": 0.6,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": soft,
        "ytick.labelcolor": soft,
        "legend.frameon": False,
        "legend.labelcolor": paint("ink"),
    }


def _inline(text: str, name: str, label: str, size: tuple[float, float]) -> str:
    from markupsafe import escape

    body = text[text.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    body = re.sub(rf"{_MARK}([0-9a-f]{{2}})", lambda found: f"var(--{_NAMES[int(found[1], 16)]})", body)
    width, height = (side * _POINTS_PER_INCH for side in size)
    opening = (
        f'<svg role="img" aria-label="{escape(label)}" class="figure" viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width:{width * _PIXELS_PER_POINT:.0f}px;min-width:{min(width, 720):.0f}px">'
    )
    return re.sub(r"<svg.*?>", lambda _: opening, body, count=1, flags=re.DOTALL).strip()
