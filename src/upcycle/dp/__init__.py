"""DP-SGD: a classifier whose training has a proven epsilon, for comparison with the student in an audit."""

from upcycle.dp._train import DpSettings, PrivateFit, epsilon, need_extra, train_private

__all__ = ["DpSettings", "PrivateFit", "epsilon", "need_extra", "train_private"]
