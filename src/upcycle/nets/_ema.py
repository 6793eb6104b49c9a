"""Power-function averages of weights (Karras et al. 2024, section 3.1): their width is a share of the run so far."""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from upcycle.nets import plain_state


def gamma_of_std(std: float) -> float:
    """The exponent whose profile t**gamma has relative width `std`: the largest root of
    (g + 1) = std^2 (g + 2)^2 (g + 3) (Karras et al. 2024, eq. 127)."""
    inverse = std**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def power_beta(gamma: float, images_before: int, images_after: int) -> float:
    """Decay of one update from `images_before` to `images_after` images seen; 0 at the first."""
    return float((images_before / images_after) ** (gamma + 1))


def rebuilding(stored: Sequence[tuple[float, int]], std: float, images_seen: int) -> tuple[np.ndarray, float]:
    """How to make the average of width `std` after `images_seen` from `stored` ones, (width, images seen) each: coefficients
    float64 (len(stored),) that sum to 1, closest in least squares over the run (Karras et al. 2024, algorithm 3), and the
    error relative to the profile that was wanted, 0 where it is stored."""
    gammas, seen = np.array([gamma_of_std(width) for width, _ in stored]), np.array([float(at) for _, at in stored])
    gamma, at = np.array(gamma_of_std(std)), np.array(float(images_seen))
    among, towards = _overlap(gammas[:, None], seen[:, None], gammas, seen), _overlap(gammas, seen, gamma, at)
    ones, own = np.ones((len(stored), 1)), float(_overlap(gamma, at, gamma, at))
    bordered = np.block([[among, ones], [ones.T, np.zeros((1, 1))]])
    found = np.linalg.lstsq(bordered, np.append(towards, 1.0), rcond=None)[0][:-1]
    square = float(found @ among @ found - 2 * found @ towards) + own
    return found, float(np.sqrt(max(square, 0.0) / own))


def _overlap(gamma_a: np.ndarray, seen_a: np.ndarray, gamma_b: np.ndarray, seen_b: np.ndarray) -> np.ndarray:
    """Integral of the product of two profiles (gamma + 1) t^gamma / seen^(gamma + 1) on 0..seen."""
    least = np.minimum(seen_a, seen_b)
    shares = (least / seen_a) ** gamma_a * (least / seen_b) ** gamma_b * least / (seen_a * seen_b)
    return np.asarray((gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1) * shares)


class PowerEma:
    """Averages of a network's parameters, one for every relative width in `stds`."""

    def __init__(self, parameters: Iterable[Tensor], stds: Sequence[float]) -> None:
        self._live = [p.detach() for p in parameters]
        self.averages = {std: [p.clone() for p in self._live] for std in stds}
        self._gammas = {std: gamma_of_std(std) for std in stds}

    @torch.no_grad()
    def update(self, images_before: int, images_after: int) -> None:
        for std, average in self.averages.items():
            beta = power_beta(self._gammas[std], images_before, images_after)
            torch._foreach_lerp_(average, self._live, 1 - beta)

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {str(std): average for std, average in self.averages.items()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        for std, average in self.averages.items():
            torch._foreach_copy_(average, [t.to(average[0].device) for t in state[str(std)]])

    @torch.no_grad()
    def copy_to(self, net: nn.Module, std: float) -> None:
        for target, source in zip(net.parameters(), self.averages[std], strict=True):
            cast(Tensor, target).copy_(source)


class StateEma:
    """One average of a network's `plain_state`: weights and floating-point buffers alike; counters are copied.

    An averaged generator with the running statistics of the last one draws grey; so they are averaged together.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self.average = {name: t.detach().clone() for name, t in plain_state(net).items()}

    @torch.no_grad()
    def update(self, beta: float) -> None:
        """average <- beta average + (1 - beta) current."""
        live = plain_state(self._net)
        floats = [name for name, t in live.items() if t.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in floats], [live[n] for n in floats], 1 - beta)
        for name in live.keys() - set(floats):
            self.average[name].copy_(live[name])

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.average)

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, average in self.average.items():
            average.copy_(state[name])
