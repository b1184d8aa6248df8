"""x W^T + b, and its gradients, by the library that is fastest for it on this processor.

On a CPU torch multiplies matrices with MKL, which leaves AVX-512 unused on AMD's processors, and convolves with oneDNN,
which does not. A product is a convolution of one tap. Measured on two cores of an EPYC of Zen 5, 500 rows: 768 ->
3072 takes 5.2 ms instead of 11.1 ms; with both gradients 17 ms instead of 34 ms. For few rows, what oneDNN does to the
weights at every call takes the gain away (`lay_out` does it once), and for little work the call itself does. Zen 4
gains 1 to 10 % of the gradients, since its AVX-512 comes in halves. An EPYC without AVX-512 (Zen 3) gains little, 16.8
instead of 19.5 ms, or loses much: for 3072 -> 768 64.8 instead of 20.7 ms (`speecht5 bench products`).
"""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional

from speecht5_cli.device import processor

FEWEST_ROWS = 64
LEAST_WORK = 1 << 23  # multiplications
LEAST_WEIGHTS = 1 << 16  # in one matrix, for laying it out
_LAID_OUT_FOR = 500  # rows: the best of several for one row, too
_STRIDE, _PADDING, _BOTH = (1, 1), (0, 0), (True, True, False)  # gradients of input and weight, none of a bias
_DILATION = (2, 1)  # of the one row that an image has: no effect, but torch then asks oneDNN on one thread, too


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., in), weight (out, in), bias (out,) -> (..., out)"""
    if not _as_image_pays(x, weight):
        return functional.linear(x, weight, bias)
    return as_convolution(x, weight, bias)


def as_convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`product`, always that way."""
    return _rows(functional.conv2d(_image(x), _taps(weight), bias, dilation=_DILATION)).view(*x.shape[:-1], -1)


def product_gradients(x: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """x (N, in), weight (out, in), gradient (N, out) of their product -> gradients of x and of weight"""
    if not _as_image_pays(x, weight):
        return plain_gradients(x, weight, grad)
    return gradients_as_convolution(x, weight, grad)


def plain_gradients(x: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """`product_gradients`, always as products."""
    return grad @ weight, grad.t() @ x


def gradients_as_convolution(x: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """`product_gradients`, always as those of a convolution."""
    of_image, of_taps, _ = torch.ops.aten.convolution_backward(
        _image(grad), _image(x), _taps(weight), None, _STRIDE, _PADDING, _DILATION, False, _PADDING, 1, _BOTH
    )
    return _rows(of_image), of_taps[:, :, 0, 0]


def product_with(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """`product` with this weight (out, in) and bias (out,), for many x (..., in), without gradients.

    On an EPYC without AVX-512, 100,000 frames are assigned to 500 centroids of 768 values 1.11 times as fast as by
    scikit-learn, 0.85 times before weights were laid out (`speecht5 bench kmeans`).
    """
    if not weight.is_cpu or weight.numel() < LEAST_WEIGHTS or not has_onednn_on_amd():
        return partial(product, weight=weight, bias=bias)
    return partial(product_of_laid_out, laid_out=lay_out(weight), bias=bias)


def lay_out(weight: Tensor) -> Tensor:
    """A weight (out, in) on a CPU, as oneDNN reads it."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, _LAID_OUT_FOR)


def product_of_laid_out(x: Tensor, laid_out: Tensor, bias: Tensor | None) -> Tensor:
    """x (..., in), a weight by `lay_out`, bias (out,) -> (..., out), without gradients"""
    return torch.ops.mkldnn._linear_pointwise(x, laid_out, bias, "none", [], "")


@cache
def convolution_is_faster() -> bool:
    """Whether torch's convolutions are faster than its products on this processor."""
    return has_onednn_on_amd() and "avx512f" in processor("flags").split()


@cache
def has_onednn_on_amd() -> bool:
    """Whether this is a processor that MKL is not made for, and a torch that has another library."""
    return processor("vendor_id") == "AuthenticAMD" and torch.backends.mkldnn.is_available()


def _as_image_pays(x: Tensor, weight: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and convolution_is_faster()
        and x.is_cpu
        and x.dtype == weight.dtype == torch.float32
        and x.numel() >= FEWEST_ROWS * x.size(-1)
        and x.numel() * len(weight) >= LEAST_WORK
        and not torch.is_autocast_enabled("cpu")
    )


def _image(x: Tensor) -> Tensor:
    """(..., C) -> (1, C, 1, N): one pixel high, the channels of a pixel beside each other in memory as they are."""
    return x.reshape(1, 1, -1, x.size(-1)).permute(0, 3, 1, 2)


def _rows(image: Tensor) -> Tensor:
    """(1, C, 1, N) -> (N, C)"""
    return image.permute(0, 2, 3, 1).contiguous().view(-1, image.size(1))


def _taps(weight: Tensor) -> Tensor:
    """(out, in) -> (out, in, 1, 1)"""
    return weight[:, :, None, None]
