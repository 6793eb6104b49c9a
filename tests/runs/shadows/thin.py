"""Pipelines with yet narrower networks: for tests of which stages are done, on what and to which bits, not of how well."""

from upcycle.config import Config
from upcycle.runs.shadows import shadow_config


def thin(config: Config, size: int) -> Config:
    """`shadow_config` with a fraction of its weights."""
    return thinner(shadow_config(config, size))


def thinner(config: Config) -> Config:
    """Of a generator that has channels, and of classifiers."""
    narrow = {"channels": (8, 8)} if hasattr(config.generator, "channels") else {}
    generator = config.generator.model_copy(update=narrow)
    return config.model_copy(update={"generator": generator, "teacher": config.teacher.model_copy(update={"width": 8})})
