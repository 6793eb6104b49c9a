"""Networks: the residual classifier family, the small U-Net, and label-preserving views."""

from upcycle.nets._augment import Augmentation, augment, to_input
from upcycle.nets._classifier import (
    ClassifierFactory,
    ResidualClassifier,
    classifier_factory,
    for_inference,
    parameter_count,
    predict_logits,
)
from upcycle.nets._unet import UNet

__all__ = [
    "Augmentation",
    "ClassifierFactory",
    "ResidualClassifier",
    "UNet",
    "augment",
    "classifier_factory",
    "for_inference",
    "parameter_count",
    "predict_logits",
    "to_input",
]
