"""Networks: the residual classifier family, the small U-Net, two GANs, and views of images."""

from upcycle.nets._augment import Augmentation, augment, diff_augment, to_input
from upcycle.nets._biggan import BigGanDiscriminator, BigGanGenerator
from upcycle.nets._classifier import (
    ClassifierFactory,
    ResidualClassifier,
    classifier_factory,
    for_inference,
    group_norm_factory,
    parameter_count,
    predict_logits,
)
from upcycle.nets._conditional import ConditionalNorm, ProjectionHead, SelfAttention, plain_state
from upcycle.nets._convgan import ConvDiscriminator, ConvGenerator
from upcycle.nets._ema import PowerEma, StateEma, gamma_of_std, power_beta, rebuilding
from upcycle.nets._local import LocalBelow, LocalDenoiser
from upcycle.nets._precision import mixed
from upcycle.nets._unet import UNet

__all__ = [
    "Augmentation",
    "BigGanDiscriminator",
    "BigGanGenerator",
    "ClassifierFactory",
    "ConditionalNorm",
    "ConvDiscriminator",
    "ConvGenerator",
    "LocalBelow",
    "LocalDenoiser",
    "PowerEma",
    "ProjectionHead",
    "ResidualClassifier",
    "SelfAttention",
    "StateEma",
    "UNet",
    "augment",
    "classifier_factory",
    "diff_augment",
    "for_inference",
    "gamma_of_std",
    "group_norm_factory",
    "mixed",
    "parameter_count",
    "plain_state",
    "power_beta",
    "predict_logits",
    "rebuilding",
    "to_input",
]
