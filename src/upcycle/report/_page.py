"""The template engine of the pages, and how they write numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from upcycle.report._audit_json import Interval, number
from upcycle.report._stacked_tables import stacked

if TYPE_CHECKING:
    from jinja2 import Environment

_COMMAND: Final = re.compile(r"(upcycle [a-z]+ RUN(?: --[a-z-]+ [a-z]+)*|--[a-z-]+ [a-z]+)")


def page(template: str, **values: Any) -> str:
    """The template of this room, filled in."""
    return stacked(environment().get_template(template).render(**values))


def safe(svg: str) -> Any:
    """A figure of ours, which is made of escaped parts, as the templates take it."""
    from markupsafe import Markup

    return Markup(svg)


def environment() -> Environment:
    """Templates of this room: everything is escaped, and a name that is not given is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("upcycle.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"interval": interval, "rate": rate, "luck": luck, "points": points}
    formats = {"fixed": "{:.3f}", "whole": "{:,.0f}", "tenth": "{:.1f}", "hundredth": "{:.2f}", "short": "{:.3g}"}
    for name, form in formats.items():
        found.filters[name] = lambda value, form=form: "–" if number(value) is None else form.format(value)
    found.filters["commands"] = commands
    found.filters["percent"] = lambda share: "–" if number(share) is None else f"{100 * share:.1f} %"
    return found


def commands(text: str) -> Any:
    """The text with its commands and options set as code, which no line end breaks: `--privacy` cut after its hyphens is
    neither read nor copied right."""
    from markupsafe import Markup, escape

    parts = _COMMAND.split(text)  # every second one is a command
    return Markup("").join(Markup("<code>{}</code>").format(part) if k % 2 else escape(part) for k, part in enumerate(parts))


def interval(values: Interval | None, missing: str = "–") -> str:
    """`value [low, high]` with three digits, or `missing`."""
    return missing if values is None else "{:.3f} [{:.3f}, {:.3f}]".format(*values)


def rate(values: Interval | None, missing: str = "–") -> str:
    """`value % [low, high]` with one digit, of fractions, or `missing`."""
    return missing if values is None else "{:.1f} % [{:.1f}, {:.1f}]".format(*(100 * value for value in values))


def luck(p: float | None) -> str:
    """A p-value in two digits, or that it is under 0.001, or a dash."""
    found = number(p)
    return "–" if found is None else "under 0.001" if found < 0.001 else f"{found:.2g}"


def points(values: Interval | None) -> str:
    """`+value [+low, +high]` with two digits and true minus signs, or a dash."""
    return "–" if values is None else "{:+.2f} [{:+.2f}, {:+.2f}]".format(*values).replace("-", "−")
