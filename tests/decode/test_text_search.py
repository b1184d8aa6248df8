"""Text from a real net: sixteen utterances at once are sixteen alone, by every way to search."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import tiny_net

from speecht5_cli.decode.beam import Found
from speecht5_cli.decode.options import TextSearch
from speecht5_cli.decode.text import as_hypotheses, ctc_best_path, search_text
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

EOS, BLANK = 2, 12
NEVER = (0, 1, 11, BLANK)
LENS = [1, 2, 3, 30, 17, 5, 8, 13, 21, 4, 9, 26, 2, 11, 6, 15]


@pytest.fixture(scope="module")
def net() -> SpeechT5:
    return tiny_net()


@pytest.fixture(scope="module")
def encoded() -> Encoded:
    torch.manual_seed(3)
    pad = torch.arange(max(LENS)) >= torch.tensor(LENS)[:, None]
    return Encoded(torch.randn(len(LENS), max(LENS), 32), pad)


def alone(encoded: Encoded, row: int) -> Encoded:
    """One utterance without its pads."""
    n = int(encoded.lens[row])
    return Encoded(encoded.states[row : row + 1, :n], encoded.pad[row : row + 1, :n])


@torch.no_grad()
def found(net: SpeechT5, encoded: Encoded, **options: Any) -> list[list[Found]]:
    return search_text(net, encoded, TextSearch(**options), eos=EOS, forbidden=NEVER)


WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"beam": 1},
    "beam": {"beam": 4},
    "joint": {"beam": 4, "ctc_weight": 0.4},
    "ctc alone": {"beam": 4, "ctc_weight": 1.0},
    "best path": {"method": "ctc"},
    "bonus": {"beam": 4, "ctc_weight": 0.3, "length_bonus": 0.8, "length_penalty": 0.0},
    "longer": {"beam": 3, "min_tokens": 3, "tokens_per_frame": 2.5},
    "wide": {"beam": 12, "ctc_weight": 0.5},  # more beams than one frame can say
}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_a_batch_of_sixteen_is_sixteen_singles(net: SpeechT5, encoded: Encoded, options: dict[str, Any]) -> None:
    """To the last token of every hypothesis of the n-best list."""
    batch = found(net, encoded, **options)
    for row in range(len(LENS)):
        single = found(net, alone(encoded, row), **options)[0]
        assert [(one.tokens, one.stopped) for one in batch[row]] == [(one.tokens, one.stopped) for one in single]
        assert [one.score for one in batch[row]] == pytest.approx([one.score for one in single], abs=1e-4)
        assert all(one.score == one.score and one.score > float("-inf") for one in single)  # a number


def test_the_order_in_the_batch_does_not_matter(net: SpeechT5, encoded: Encoded) -> None:
    order = torch.randperm(len(LENS), generator=torch.Generator().manual_seed(0))
    shuffled = Encoded(encoded.states[order], encoded.pad[order])
    straight, mixed = (found(net, one, beam=4, ctc_weight=0.3) for one in (encoded, shuffled))
    assert [[one.tokens for one in mixed[k]] for k in range(16)] == [
        [one.tokens for one in straight[row]] for row in order.tolist()
    ]


@torch.no_grad()
def test_scores_are_those_of_the_whole_text(net: SpeechT5, encoded: Encoded) -> None:
    """The sum of log-probabilities, over length ** penalty, as the decoder gives them in one go."""
    for row in (3, 4, 11):
        for one in found(net, alone(encoded, row), beam=4, length_penalty=0.6)[0]:
            tokens = torch.tensor([[EOS, *one.tokens]])
            log_p = net.decode_text(tokens, alone(encoded, row))[0].log_softmax(-1)
            total = sum(float(log_p[k, symbol]) for k, symbol in enumerate([*one.tokens, EOS]))
            assert one.score == pytest.approx(total / (len(one.tokens) + 1) ** 0.6, abs=1e-4)


@torch.no_grad()
def test_ctc_alone_is_exact_ctc(net: SpeechT5, encoded: Encoded) -> None:
    """The score of a text is minus torch's CTC loss of it, over its length and end mark."""
    for row in (3, 6, 10):
        own = alone(encoded, row)
        log_p = net.ctc_logits(own).log_softmax(-1).transpose(0, 1)
        for one in found(net, own, beam=4, ctc_weight=1.0, min_tokens=1)[0]:
            loss = torch.nn.functional.ctc_loss(
                log_p,
                torch.tensor([one.tokens]),
                own.lens,
                torch.tensor([len(one.tokens)]),
                blank=BLANK,
                reduction="sum",
            )
            assert one.score * (len(one.tokens) + 1) == pytest.approx(-float(loss), abs=1e-3)


def test_ctc_alone_never_asks_the_decoder(net: SpeechT5, encoded: Encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "next_text", None)
    assert found(net, encoded, beam=2, ctc_weight=1.0)
    assert found(net, encoded, method="ctc")
    with pytest.raises(TypeError):
        found(net, encoded, beam=2, ctc_weight=0.9)


def test_what_may_never_be_said_is_not(net: SpeechT5, encoded: Encoded) -> None:
    for options in WAYS.values():
        said = {symbol for results in found(net, encoded, **options) for one in results for symbol in one.tokens}
        assert said and not said & {*NEVER, EOS}


def test_limits_follow_the_length_of_the_sound(net: SpeechT5, encoded: Encoded) -> None:
    with torch.no_grad():
        net_without_end = tiny_net()
        net_without_end.symbols.weight[EOS] = 0  # hardly ever said
    for results, n in zip(found(net_without_end, encoded, beam=1, tokens_per_frame=0.5), LENS):
        assert len(results[0].tokens) <= max(1, n // 2)
        assert (results[0].stopped == "length") == (len(results[0].tokens) == max(1, n // 2))


@torch.no_grad()
def test_best_path(net: SpeechT5) -> None:
    """Repetitions are merged, blanks removed, and a blank between two equal symbols keeps both."""
    path = [4, 4, BLANK, 4, 5, 5, BLANK, BLANK, 6]
    one_hot = torch.nn.functional.one_hot(torch.tensor([path]), 13).float() * 20
    said = replace(Encoded(torch.zeros(1, 9, 32), torch.zeros(1, 9, dtype=torch.bool)))
    net = tiny_net()
    net.ctc_head = torch.nn.Identity()  # type: ignore[assignment]
    said.states = one_hot
    assert ctc_best_path(net, said, forbidden=NEVER)[0][0].tokens == [4, 4, 5, 6]
    said.pad[0, 5:] = True
    assert ctc_best_path(net, said, forbidden=NEVER)[0][0].tokens == [4, 4, 5]
    said.states[0, 0, 1] = 99.0  # <pad> is likeliest there, but may not be said
    assert ctc_best_path(net, said, forbidden=NEVER)[0][0].tokens == [4, 4, 5]


def test_hypotheses() -> None:
    results = [[Found([4, 5], -1.0, "eos"), Found([4], -2.0, "length")], []]
    first, nothing = as_hypotheses(["a", "b"], results, lambda tokens: "".join(map(str, tokens)), nbest=2)
    assert (first.value, first.score, first.stopped) == ("45", -1.0, "eos")
    assert first.nbest == (("45", -1.0), ("4", -2.0))
    assert (nothing.value, nothing.score, nothing.stopped) == ("", float("-inf"), "nothing")
    assert as_hypotheses(["a"], results[:1], str, nbest=1)[0].nbest == ()
