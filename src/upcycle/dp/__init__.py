"""DP-SGD: a classifier whose training has a proven epsilon, for comparison with the student in an audit."""

from upcycle.dp._account import affordable_steps, epsilon, need_extra
from upcycle.dp._train import DpSettings, PrivateFit, train_private
