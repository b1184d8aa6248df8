"""Text from encoded speech: a model's own scorers, put together for the search."""

from collections.abc import Callable, Sequence

import torch

from speecht5_cli.decode.beam import Found, Search, Weighted
from speecht5_cli.decode.options import TextSearch
from speecht5_cli.decode.scorers import AttentionScorer, CTCPrefixScorer
from speecht5_cli.models.speecht5 import Encoded, SpeechT5
from speecht5_cli.plugins import Hypothesis


def search_text(
    model: SpeechT5, encoded: Encoded, options: TextSearch, *, eos: int, forbidden: Sequence[int]
) -> list[list[Found]]:
    """The hypotheses of each utterance, best first; `forbidden` symbols are never said.

    With ctc_weight 1 the decoder is not asked at all.
    """
    if options.method == "ctc":
        return ctc_best_path(model, encoded, forbidden=[*forbidden, eos])
    scorers = []
    if options.ctc_weight < 1:
        scorers.append(Weighted(AttentionScorer(model, encoded), 1 - options.ctc_weight))
    if options.ctc_weight > 0:
        log_p = model.ctc_logits(encoded).float().log_softmax(-1)
        ctc = CTCPrefixScorer(log_p, encoded.lens, options.beam, blank=model.blank, eos=eos)
        scorers.append(Weighted(ctc, options.ctc_weight))
    return Search(
        scorers,
        limits=(encoded.lens * options.tokens_per_frame).long().clamp(min=1),
        beam=options.beam,
        eos=eos,
        forbidden=forbidden,
        min_tokens=options.min_tokens,
        length_penalty=options.length_penalty,
        length_bonus=options.length_bonus,
        original_ctc=model.cfg.padding == "original",
    ).run()


def ctc_best_path(model: SpeechT5, encoded: Encoded, *, forbidden: Sequence[int]) -> list[list[Found]]:
    """The likeliest symbol of each frame, repetitions and blanks removed: neither search nor decoder."""
    log_p = model.ctc_logits(encoded).float().log_softmax(-1)
    log_p[..., [symbol for symbol in forbidden if symbol != model.blank]] = float("-inf")
    best, ids = log_p.max(-1)  # (B, T)
    found = []
    for path, scores, n in zip(ids, best, encoded.lens.tolist()):
        symbols = [symbol for symbol in torch.unique_consecutive(path[:n]).tolist() if symbol != model.blank]
        found.append([Found(symbols, float(scores[:n].sum()), "eos")])
    return found


def as_hypotheses(
    ids: Sequence[str], found: Sequence[Sequence[Found]], spelled: Callable[[list[int]], str], *, nbest: int
) -> list[Hypothesis]:
    """What was found for each utterance as text; an utterance for which nothing was found gets the empty text."""
    hypotheses = []
    for name, results in zip(ids, found):
        texts = [(spelled(result.tokens), result.score) for result in results[:nbest]]
        if not results:
            hypotheses.append(Hypothesis(name, "", float("-inf"), "nothing"))
            continue
        best = results[0]
        hypotheses.append(Hypothesis(name, texts[0][0], best.score, best.stopped, tuple(texts) if nbest > 1 else ()))
    return hypotheses
