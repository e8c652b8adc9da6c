"""The regularisers, image by image, from their papers' formulas."""

from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]
"""One image (C, H, W) to its score."""


def slope(critic: Critic, image: Tensor) -> Tensor:
    image = image.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(image), image, create_graph=True)
    total = gradient.new_zeros(())
    for value in gradient.flatten():
        total = total + value**2
    return total**0.5


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    total = real.new_zeros(())
    for x, g, a in zip(real, fake, share.flatten(), strict=True):
        total = total + (slope(critic, a * x + (1 - a) * g) - 1) ** 2
    return total / len(real)


def dragan(critic: Critic, real: Tensor, uniform: Tensor, alpha: Tensor) -> Tensor:
    mean = real.sum() / real.numel()
    deviation = (((real - mean) ** 2).sum() / (real.numel() - 1)) ** 0.5
    total = real.new_zeros(())
    for x, u, a in zip(real, uniform, alpha.flatten(), strict=True):
        total = total + (slope(critic, x + a * 0.5 * deviation * u) - 1) ** 2
    return total / len(real)


def r1(critic: Critic, real: Tensor, gamma: float) -> Tensor:
    total = real.new_zeros(())
    for x in real:
        total = total + gamma / 2 * slope(critic, x) ** 2
    return total / len(real)


def optimized_latents(
    score: Critic, latent: Tensor, alpha: float, beta: float, moves: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Each latent on its own; ``moves`` says for each step which move. Returns latents and cost."""
    cost = latent.new_zeros(())
    rows = []
    for index, start in enumerate(latent):
        z = start.detach().requires_grad_()
        for step in moves:
            (g,) = torch.autograd.grad(score(z), z, create_graph=True)
            delta = alpha / (beta + (g * g).sum()) * g
            if step[index]:
                z = z + delta
                cost = cost + (delta * delta).sum()
        rows.append(z)
    return torch.stack(rows), cost / len(latent)


def flipped_and_shifted(image: Tensor, down: int, right: int, mirror: bool) -> Tensor:
    """An image (C, H, W) mirrored and read ``down`` and ``right`` further, reflected outside."""
    channels, height, width = image.shape
    out = torch.empty_like(image)
    for i in range(height):
        for j in range(width):
            column = width - 1 - j if mirror else j
            row, column = i + down, column + right
            row = -row if row < 0 else 2 * (height - 1) - row if row >= height else row
            column = (
                -column if column < 0 else 2 * (width - 1) - column if column >= width else column
            )
            for c in range(channels):
                out[c, i, j] = image[c, row, column]
    return out


def lecam(
    logits: Tensor, weight: float, decay: float, start: int, form: str
) -> list[tuple[float, Tensor]]:
    """Tseng et al. 2021, Eq. 5, for logits (updates, 2, B), real ones first: the penalty of each
    update and its gradient (2, B), number by number."""
    found = []
    average = [0.0, 0.0]
    for update, (real, generated) in enumerate(logits.tolist()):
        value, slopes = 0.0, torch.zeros(2, len(real), dtype=torch.float64)
        if update >= start:
            for index, logit in enumerate(real):
                away = logit - average[1]
                if form == "paper" or away > 0:
                    value += weight * away**2 / len(real)
                    slopes[0, index] = 2 * weight * away / len(real)
            for index, logit in enumerate(generated):
                away = average[0] - logit
                if form == "paper" or away > 0:
                    value += weight * away**2 / len(generated)
                    slopes[1, index] = -2 * weight * away / len(generated)
        found.append((value, slopes))
        keep = decay if update >= start else 0.0
        for side, batch in enumerate((real, generated)):
            average[side] = keep * average[side] + (1 - keep) * sum(batch) / len(batch)
    return found
