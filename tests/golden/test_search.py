"""Text, symbol by symbol: greedy and beam search, with and without CTC."""

import numpy as np
import pytest
import torch
from golden import BLANK, EOS, MASK, PAD, Same, golden, model

from speecht5_cli.decode.beam import Search, Weighted
from speecht5_cli.decode.scorers import AttentionScorer, CTCPrefixScorer
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

FORBIDDEN = (PAD, MASK, BLANK)


def alone(net: SpeechT5, row: int) -> Encoded:
    """One utterance of the batch, cut to its own length."""
    g = golden("c_asr")
    lens = g.lens("in_padding_mask")[row : row + 1]
    return net.encode_speech(g.tensor("in_source")[row : row + 1, : int(lens)], lens)


def test_greedy(same: Same) -> None:
    """ASR, greedy, step by step with cached keys and values"""
    net, g = model(), golden("c_asr")
    encoded = alone(net, 0)
    cache, token, logits, said = net.start(encoded), torch.tensor([EOS]), [], [EOS]
    for _ in range(len(g["greedy_step_logits_wav0"])):
        step = net.next_text(token, cache)
        logits.append(step[0])
        token = step.index_fill(1, torch.tensor(FORBIDDEN), -torch.inf).argmax(1)
        said.append(int(token))
    same("c_asr", "greedy_step_logits_wav0", torch.stack(logits))
    same("c_asr", "greedy_tokens_wav0", np.array(said))


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("ctc_weight", [0.0, 0.3])
@pytest.mark.parametrize("padding", ["original", "exact"])
def test_beam(same: Same, row: int, ctc_weight: float, padding: str) -> None:
    """ASR, beam search with CTC: scores, symbols exact (scoring: original)"""
    net, g = model(padding), golden("c_asr")
    encoded = alone(net, row)
    scorers = [Weighted(AttentionScorer(net, encoded), 1 - ctc_weight)]
    if ctc_weight:
        log_p = net.ctc_logits(encoded).log_softmax(-1)
        scorers.append(Weighted(CTCPrefixScorer(log_p, encoded.lens, 4, blank=BLANK, eos=EOS), ctc_weight))
    search = Search(scorers, torch.tensor([20]), 4, EOS, FORBIDDEN, min_tokens=1, original_ctc=True)
    found = search.run()[0]
    tokens = g[f"beam4_wav{row}_ctc{ctc_weight}_tokens"]
    assert [[*hypothesis.tokens, EOS] for hypothesis in found] == [line[line >= 0].tolist() for line in tokens]
    same("c_asr", f"beam4_wav{row}_ctc{ctc_weight}_scores", np.array([hypothesis.score for hypothesis in found]))
