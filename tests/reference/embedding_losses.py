"""The embedding losses beside 2C, term by term, with plain loops."""

import math

import torch
from torch import Tensor


def cosine(a: Tensor, b: Tensor) -> Tensor:
    value: Tensor = (a * b).sum() / (a.norm() * b.norm())
    return value


def nt_xent(embedding: Tensor, view: Tensor, temperature: float) -> Tensor:
    """Eq. 6 over A = {x_1, T(x_1), ..., x_m, T(x_m)}."""
    everything = [row for pair in zip(embedding, view, strict=True) for row in pair]
    total = embedding.new_zeros(())
    for i in range(len(everything)):
        partner = i + 1 if i % 2 == 0 else i - 1
        below = sum(
            (cosine(everything[i], everything[k]) / temperature).exp()
            for k in range(len(everything))
            if k != i
        )
        above = (cosine(everything[i], everything[partner]) / temperature).exp()
        total = total - (above / below).log()
    return total / len(everything)


def proxy_nca(embedding: Tensor, proxies: Tensor, label: list[int], temperature: float) -> Tensor:
    total = embedding.new_zeros(())
    for x, y in zip(embedding, label, strict=True):
        similar = [(cosine(x, p) / temperature).exp() for p in proxies]
        total = total - (similar[y] / sum(s for c, s in enumerate(similar) if c != y)).log()
    return total / len(label)


def d2d_ce(
    embedding: Tensor, proxy: Tensor, label: list[int], temperature: float, m_p: float, m_n: float
) -> Tensor:
    total = embedding.new_zeros(())
    for i in range(len(label)):
        pull = torch.clamp(cosine(embedding[i], proxy[i]) - m_p, max=0)
        above = (pull / temperature).exp()
        below = above
        for j in range(len(label)):
            if label[j] != label[i]:
                push = torch.clamp(cosine(embedding[i], embedding[j]) - m_n, min=0)
                below = below + (push / temperature).exp()
        total = total - (above / below).log()
    return total / len(label)


def augmented_contrastive(
    embedding: Tensor,
    proxy: Tensor | None,
    view: Tensor,
    label: list[int],
    temperature: float,
    positives_in_numerator: bool,
) -> Tensor:
    """Eq. 8 or 7 with an augmented positive beside the proxy, or in its place."""
    total = embedding.new_zeros(())
    for i in range(len(label)):
        above = (cosine(embedding[i], view[i]) / temperature).exp()
        if proxy is not None:
            above = above + (cosine(embedding[i], proxy[i]) / temperature).exp()
        below = above
        for k in range(len(label)):
            if k != i:
                pair = (cosine(embedding[i], embedding[k]) / temperature).exp()
                below = below + pair
                if positives_in_numerator and label[k] == label[i]:
                    above = above + pair
        total = total - (above / below).log()
    return total / len(label)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    value: Tensor = (a / a.norm() - b / b.norm()).norm()
    return value


def _partners(label: list[int], i: int) -> tuple[list[int], list[int]]:
    same = [k for k in range(len(label)) if k != i and label[k] == label[i]]
    return same, [k for k in range(len(label)) if label[k] != label[i]]


def pair(embedding: Tensor, label: list[int], margin: float) -> Tensor:
    total = embedding.new_zeros(())
    for i, x in enumerate(embedding):
        same, other = _partners(label, i)
        for k in same:
            total = total + _distance(x, embedding[k]) ** 2 / len(same)
        for k in other:
            gap = torch.clamp(margin - _distance(x, embedding[k]), min=0)
            total = total + gap**2 / len(other)
    return total / len(label)


def triplet(embedding: Tensor, label: list[int], margin: float) -> Tensor:
    total = embedding.new_zeros(())
    for i, x in enumerate(embedding):
        same, other = _partners(label, i)
        if same and other:
            far = max(_distance(x, embedding[k]) ** 2 for k in same)
            near = min(_distance(x, embedding[k]) ** 2 for k in other)
            total = total + torch.clamp(far - near + margin, min=0)
    return total / len(label)


def n_pair(embedding: Tensor, label: list[int], temperature: float) -> Tensor:
    total = embedding.new_zeros(())
    for i, x in enumerate(embedding):
        same, other = _partners(label, i)
        for p in same:
            to_p = cosine(x, embedding[p]) / temperature
            inner = 1 + sum(math.e ** (cosine(x, embedding[n]) / temperature - to_p) for n in other)
            total = total + torch.as_tensor(inner, dtype=x.dtype).log() / len(same)
    return total / len(label)
