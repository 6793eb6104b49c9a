"""Licences as SPDX expressions, and as the model and data hubs spell them."""

from __future__ import annotations

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from upcycle.errors import ConfigError


def canonical_licence(text: str) -> str:
    """The SPDX expression in its canonical spelling ("apache-2.0" gives "Apache-2.0"). Raises ConfigError."""
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise ConfigError(
            f"licence must be an SPDX expression. Got {text!r}. For example Apache-2.0, CC-BY-4.0 or LicenseRef-Ours."
        ) from error


def hub_licence(licence: str | None) -> dict[str, str]:
    """The front-matter fields of a licence: the hub's lower-case word, or "other" and a name."""
    if licence is None:
        return {"license": "other", "license_name": "none-chosen"}
    if " " in licence or licence.startswith("LicenseRef-"):
        return {"license": "other", "license_name": licence}
    return {"license": licence.lower()}


def licence_url(licence: str | None) -> str | None:
    """The page of a single SPDX licence; the expression itself where it has none."""
    if licence is None or " " in licence or licence.startswith("LicenseRef-"):
        return licence
    return f"https://spdx.org/licenses/{licence}.html"
