"""Products as convolutions beside the plain ones."""

import pytest
import torch
from tiny import tiny_net
from torch import Tensor
from torch.nn import functional

from speecht5_cli import products
from speecht5_cli.losses.text import token_cross_entropy
from speecht5_cli.products import (
    FEWEST_ROWS,
    LEAST_WORK,
    convolution_is_faster,
    has_onednn_on_amd,
    product,
    product_gradients,
    product_with,
)


@pytest.fixture
def convolving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "convolution_is_faster", lambda: True)


@pytest.fixture
def always(convolving: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "FEWEST_ROWS", 1)
    monkeypatch.setattr(products, "LEAST_WORK", 1)


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """What is convolved instead of multiplied from now on."""
    seen: list[torch.Size] = []
    plain = products._image

    def image(x: Tensor) -> Tensor:
        seen.append(x.shape)
        return plain(x)

    monkeypatch.setattr(products, "_image", image)
    return seen


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("shape", [(1,), (70,), (3, 50), (2, 3, 40), (1, 1)])
@pytest.mark.parametrize("biased", [True, False])
def test_is_the_product_and_has_its_gradients(shape: tuple[int, ...], biased: bool, images: list[torch.Size]) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(*shape, 24), torch.randn(18, 24)
    bias = torch.randn(18) if biased else None
    results = []
    for way in (functional.linear, product):
        leaves = [leaf.clone().requires_grad_() for leaf in (x, weight, bias) if leaf is not None]
        y = way(*leaves)
        y.square().sum().backward()
        results.append([y, *(leaf.grad for leaf in leaves)])
    assert len(images) == 1
    torch.testing.assert_close(results[1], results[0], atol=1e-3, rtol=1e-4)


@pytest.mark.usefixtures("always")
def test_rows_that_do_not_lie_in_one_piece(images: list[torch.Size]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(7, 30)
    for x in (torch.randn(30, 90).t(), torch.randn(90, 60)[:, ::2], torch.randn(90, 60)[:, 30:], torch.randn(2, 5, 30)):
        torch.testing.assert_close(product(x, weight), functional.linear(x, weight), atol=1e-4, rtol=1e-4)
    assert len(images) == 4


@pytest.mark.parametrize("rows", [1, 64, 90])
@pytest.mark.usefixtures("always")
def test_gradients_of_a_product(rows: int) -> None:
    torch.manual_seed(0)
    x, weight, grad = torch.randn(rows, 24), torch.randn(18, 24), torch.randn(rows, 18)
    of_x, of_weight = product_gradients(x, weight, grad)
    torch.testing.assert_close(of_x, grad @ weight, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(of_weight, grad.t() @ x, atol=1e-4, rtol=1e-4)


WIDE = LEAST_WORK // FEWEST_ROWS // 64


@pytest.mark.usefixtures("convolving")
@pytest.mark.parametrize(
    ("rows", "inputs", "taken"),
    [(FEWEST_ROWS, WIDE, True), (FEWEST_ROWS - 1, 2 * WIDE, False), (FEWEST_ROWS, WIDE - 1, False)],
)
def test_where_it_pays(rows: int, inputs: int, taken: bool, images: list[torch.Size]) -> None:
    product(torch.randn(rows, inputs), torch.randn(64, inputs))
    assert bool(images) == taken


@pytest.mark.usefixtures("always")
def test_not_for_other_numbers(images: list[torch.Size]) -> None:
    x, weight = torch.randn(90, 30), torch.randn(20, 30)
    product(x.double(), weight.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert product(x, weight).dtype == torch.bfloat16
    assert not images


@pytest.mark.parametrize(
    ("vendor", "flags", "faster"),
    [
        ("AuthenticAMD", "fma avx2 avx512f avx512_bf16", True),
        ("AuthenticAMD", "fma avx2", False),
        ("GenuineIntel", "fma avx2 avx512f", False),
        ("", "", False),
    ],
)
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_on_which_processors(vendor: str, flags: str, faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "processor", {"vendor_id": vendor, "flags": flags}.__getitem__)
    monkeypatch.setattr(products, "has_onednn_on_amd", has_onednn_on_amd.__wrapped__)
    assert convolution_is_faster.__wrapped__() == faster


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
@pytest.mark.parametrize(("least", "amd", "laid_out"), [(18 * 24, True, 1), (18 * 24 + 1, True, 0), (1, False, 0)])
def test_many_products_with_a_weight(least: int, amd: bool, laid_out: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weight is laid out once, where it is large and the processor gains by it."""
    seen: list[Tensor] = []
    plain = products.lay_out
    monkeypatch.setattr(products, "lay_out", lambda weight: seen.append(weight) or plain(weight))
    monkeypatch.setattr(products, "LEAST_WEIGHTS", least)
    monkeypatch.setattr(products, "has_onednn_on_amd", lambda: amd)
    torch.manual_seed(0)
    weight, bias = torch.randn(18, 24), torch.randn(18)
    of = product_with(weight, bias)
    for x in (torch.randn(1, 24), torch.randn(300, 24), torch.randn(2, 3, 24), torch.randn(0, 24)):
        torch.testing.assert_close(of(x), functional.linear(x, weight, bias), atol=1e-4, rtol=1e-5)
    assert len(seen) == laid_out


def test_a_model_learns_the_same(monkeypatch: pytest.MonkeyPatch, images: list[torch.Size]) -> None:
    """Loss and every gradient, sound to text."""
    monkeypatch.setattr(products, "FEWEST_ROWS", 1)
    monkeypatch.setattr(products, "LEAST_WORK", 1)
    torch.manual_seed(0)
    sound, tokens = torch.randn(2, 8000), torch.randint(4, 9, (2, 6))
    results = []
    for faster in (False, True):
        monkeypatch.setattr(products, "convolution_is_faster", lambda faster=faster: faster)
        net = tiny_net(seed=4).train()
        logits = net.decode_text(tokens, net.encode_speech(sound, torch.tensor([8000, 6000])))
        loss = token_cross_entropy(logits, tokens, pad=1).loss
        loss.backward()
        results.append(
            {"loss": loss.detach()} | {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
        )
        assert bool(images) == faster
    assert len(results[0]) > 20
    torch.testing.assert_close(results[1], results[0], atol=1e-3, rtol=1e-3)
