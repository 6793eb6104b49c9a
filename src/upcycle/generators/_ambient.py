"""The denoising loss of images that already hold noise: ambient diffusion (Daras et al. 2023, arXiv:2305.19256).

An image y = x + s e, whose noise e is drawn once and for all, is all that a network is shown of a record x. By Tweedie's
formula the best guess at y from a noisier z = y + sqrt(sigma^2 - s^2) n is a D(z; sigma) + b z with b = s^2 / sigma^2 and
a = 1 - b, where D is the denoiser of x itself (Daras et al. 2024, arXiv:2404.10177). So D is learned although x is never
shown. A network has to remember records only for low noise: without these levels it repeats far fewer of them (Shah et al.
2025, arXiv:2502.21278).
"""

from collections.abc import Callable
from typing import Final

from torch import Tensor

SIGMA_DATA: Final = 0.5  # images are standardised to this deviation, so that EDM's noise levels mean the same on every data set
Network = Callable[[Tensor, Tensor, Tensor], Tensor]  # (scaled images, noise level, labels) -> raw output


def denoising_errors(net: Network, image: Tensor, held: Tensor, noise: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
    """lambda(sigma) |a D(z; sigma) + b z - image|^2, the mean over an image's pixels, of every image (n, channels, side, side).

    Float (n,); `held` (n,) is the deviation s of the noise that each image holds, 0 <= s <= sigma; `noise` is standard normal.
    With s = 0 the mean over the images is `denoising_loss`; lambda is that of Karras et al. 2022, table 1.
    """
    s, known = sigma[:, None, None, None], held[:, None, None, None]
    total = (s**2 + SIGMA_DATA**2).sqrt()
    z = image + noise * (s**2 - known**2).sqrt()
    b = (known / s) ** 2
    wanted = (image - b * z - (1 - b) * z * (SIGMA_DATA / total) ** 2) * (total / (s * SIGMA_DATA))
    found = (1 - b) * net(z / total, sigma.log() / 4, labels)
    return (found - wanted).square().flatten(1).mean(1)
