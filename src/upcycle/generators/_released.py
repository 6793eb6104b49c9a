"""The way back from the files of a generator that left in a release: weights and settings, never code."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from upcycle._arguments import typed
from upcycle._bounded import OWN, one_line, read_json
from upcycle.config import EdmConfig, SamplerConfig
from upcycle.errors import ConfigError, UpcycleError
from upcycle.generators._contract import ImageShape
from upcycle.generators._edm import EdmGenerator

FACTS: Final = "config.json"  # next to the snapshot
FOLDER: Final = "generator"  # in a release


def generator_facts(generator: EdmGenerator) -> dict[str, Any]:
    """What `load_generator` needs next to the weights, as plain data."""
    settings = {"generator": generator.config, "sampler": generator.sampler}
    return {"shape": asdict(generator.shape), **{name: how.model_dump(mode="json") for name, how in settings.items()}}


@typed()
def load_generator(folder: str | Path) -> EdmGenerator:
    """The generator of a release, or of the folder `generator` in one: `sample(labels, seed=0)` draws uint8 images.

    Raises UpcycleError where there is none or its files are not as upcycle writes them.
    """
    root = Path(folder)
    root = root / FOLDER if (root / FOLDER).is_dir() else root
    try:
        found = read_json(root / FACTS, OWN)
        shape = ImageShape(**{name: int(found["shape"][name]) for name in ("channels", "size", "classes")})
        config, sampler = EdmConfig(**found["generator"]), SamplerConfig(**found["sampler"])
        generator = EdmGenerator(shape, config, sampler).load(root)
    except (OSError, ValueError, TypeError, KeyError, ConfigError) as error:
        raise UpcycleError(
            f"generator must be a folder with {FACTS} as a release writes it. Got {root}: {one_line(error, 120)}. "
            "Release again with --distilled, or get the release again."
        ) from error
    generator.chosen(None)
    return generator
