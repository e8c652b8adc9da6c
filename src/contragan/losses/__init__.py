"""What the networks minimise, for recipes and for anybody's own loop.

Losses of embeddings have one call form, ``loss(embedding, proxy_or_proxies, label) -> scalar``
(:class:`EmbeddingLoss`). Adversarial losses have two methods, ``discriminator(real_logit,
fake_logit)`` and ``generator(fake_logit)``. Penalties that need the networks are in
:mod:`contragan.losses.regularizers`.
"""

from contragan.losses.adversarial import Hinge, LeastSquares, Vanilla, Wasserstein
from contragan.losses.base import EmbeddingLoss
from contragan.losses.contrastive import ConditionalContrastiveLoss
from contragan.losses.d2d_ce import D2DCELoss
from contragan.losses.metric_learning import NPairLoss, PairLoss, TripletLoss
from contragan.losses.nt_xent import NTXentLoss
from contragan.losses.proxies import ProxyClassificationLoss, ProxyNCALoss

__all__ = [
    "ConditionalContrastiveLoss",
    "D2DCELoss",
    "EmbeddingLoss",
    "Hinge",
    "LeastSquares",
    "NPairLoss",
    "NTXentLoss",
    "PairLoss",
    "ProxyClassificationLoss",
    "ProxyNCALoss",
    "TripletLoss",
    "Vanilla",
    "Wasserstein",
]
