"""Eqs. 7 and 8 of the ContraGAN paper, term by term."""

from torch import Tensor


def contrastive_loss(
    embedding: Tensor,
    proxy: Tensor,
    label: list[int],
    temperature: float,
    positives_in_numerator: bool,
    same_class_negatives: bool,
) -> Tensor:
    l = [e / e.norm() for e in embedding]  # noqa: E741
    e = [p / p.norm() for p in proxy]
    total = embedding.new_zeros(())
    for i in range(len(label)):
        to_proxy = ((l[i] * e[i]).sum() / temperature).exp()
        numerator, denominator = to_proxy, to_proxy
        for k in range(len(label)):
            if k == i:
                continue
            pair = ((l[i] * l[k]).sum() / temperature).exp()
            if label[k] == label[i]:
                if positives_in_numerator:
                    numerator = numerator + pair
                if same_class_negatives:
                    denominator = denominator + pair
            else:
                denominator = denominator + pair
        total = total - (numerator / denominator).log()
    return total / len(label)
