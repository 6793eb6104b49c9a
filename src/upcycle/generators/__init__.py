"""Class-conditional generators behind one contract."""

from upcycle.generators._check import check_generator
from upcycle.generators._contract import Generator, ImageShape, Interpolates, Snapshot, nearest_snapshot
from upcycle.generators._edm import EdmGenerator, can_rebuild, denoising_loss
from upcycle.generators._gan import GanGenerator
from upcycle.generators._gap import denoising_gap, gap_limit
from upcycle.generators._make import GeneratorFactory, OwnGenerator, make_generator, training_bytes
from upcycle.generators._mix import MixGenerator, folds_generator, members_of
from upcycle.generators._released import FACTS as GENERATOR_FACTS
from upcycle.generators._released import generator_facts, load_generator
from upcycle.generators._solver import adams_bashforth, karras_sigmas
from upcycle.generators._stored import SAMPLE_BATCH, Draw, StoredGenerator, in_batches

__all__ = [
    "GENERATOR_FACTS",
    "SAMPLE_BATCH",
    "Draw",
    "EdmGenerator",
    "GanGenerator",
    "Generator",
    "GeneratorFactory",
    "ImageShape",
    "Interpolates",
    "MixGenerator",
    "OwnGenerator",
    "Snapshot",
    "StoredGenerator",
    "adams_bashforth",
    "can_rebuild",
    "check_generator",
    "denoising_gap",
    "denoising_loss",
    "folds_generator",
    "gap_limit",
    "generator_facts",
    "in_batches",
    "karras_sigmas",
    "load_generator",
    "make_generator",
    "members_of",
    "nearest_snapshot",
    "training_bytes",
]
