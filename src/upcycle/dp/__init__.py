"""Classifiers whose training has a proven epsilon, for comparison with the student in an audit: DP-SGD, and a linear head."""

from upcycle.dp._account import affordable_steps, epsilon, need_extra
from upcycle.dp._head import train_head
from upcycle.dp._train import DpSettings, PrivateFit, train_private
