"""Shadow pipelines of the run's own networks and budgets, in place of small ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from upcycle.config import Config
from upcycle.errors import ConfigError
from upcycle.runs.stages import Bench, Budget, Own, budget_for

NETWORKS: Final = ("small", "own")
SMALL_NETWORKS: Final = (
    "The shadow pipelines had small networks and short budgets, not the run's own; networks of another size, trained longer or "
    "shorter, may remember more or less."
)
OWN_NETWORKS: Final = "The shadow pipelines had the run's own networks and budgets."


@dataclass(frozen=True)
class AsRun:
    """What the pipelines share with their run beyond its settings: the `scale` of the budgets in its plan, and code of the
    user's."""

    scale: float = 1.0
    own: Own = field(default_factory=Own)

    @classmethod
    def of(cls, bench: Bench) -> "AsRun":
        """What the run of this bench has."""
        return cls(bench.plan.scale, Own.of(bench.networks))

    def budget(self, config: Config, members: int, share: float) -> Budget:
        """What the run would do with that many members; a `share` of it, to measure what the whole costs."""
        whole = budget_for(config, members, self.scale)
        if share == 1:
            return whole
        seen = {name: getattr(whole, name) for name in _SEEN}
        return replace(whole, **{name: max(64, round(images * share)) for name, images in seen.items() if images})


# no images, or images whose number no budget changes
_OTHERS: Final = (*("teachers", "attempts", "cleaning", "tuning"), *("looks", "mirrored", "asked", "looked_at"))
_SEEN: Final = tuple(field.name for field in fields(Budget) if field.name not in _OTHERS)


def own_config(config: Config) -> Config:
    """The run's settings for a pipeline: its proxy students learn in its own process."""
    return config.model_copy(update={"tuning": config.tuning.model_copy(update={"jobs": 1, "engine": "local"})})


def asked_networks(networks: str | Mapping[str, Any] | None) -> tuple[str | None, dict[str, Any]]:
    """Which of NETWORKS are asked for, None for the run's setting, and the factories of the user's that come with them. Raises
    ConfigError for any others."""
    if isinstance(networks, Mapping) and set(networks) <= {"network", "generator"}:
        return "own", dict(networks)
    if networks is None or networks in NETWORKS:
        return networks, {}
    got = sorted(networks) if isinstance(networks, Mapping) else networks
    raise ConfigError(f"networks must be small, own, or a mapping of network and generator. Got {got!r}. Write networks='own'.")
