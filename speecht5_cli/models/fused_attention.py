"""softmax(q k^T * scale + bias) v by torch's fused kernel, but for training on a CPU, where that is no fused one."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from speecht5_cli.models.dropout import dropout
from speecht5_cli.models.masks import causal_bias


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    *,
    scale: float = 1.0,
    rate: float = 0.0,
    causal: bool = False,
) -> Tensor:
    """query (..., T, C), key and value (..., S, C), bias that broadcasts to (..., T, S) -> (..., T, C)

    `rate` is of dropout: with it, torch does the same steps on a CPU as here, with a slower one (dropout.py).
    """
    if bias is not None:
        bias = bias.to(query.dtype)
    if not rate or not query.is_cpu:
        return scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=rate, is_causal=causal, scale=scale
        )
    logits = (query * scale) @ key.transpose(-2, -1)
    if causal:
        bias = causal_bias(query.size(-2), query.device)
    return dropout(softmax(logits if bias is None else logits + bias), rate).to(value.dtype) @ value


def softmax(logits: Tensor) -> Tensor:
    """Over the keys, in float32 at least."""
    return logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
