"""Text from encoded speech: a model's own scorers, put together for the search."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from speecht5_cli.decode.alignment import TimedWord, joined_words, spread_words, timed_words
from speecht5_cli.decode.beam import Found, Search, Weighted
from speecht5_cli.decode.language import LanguageScorer, load_language
from speecht5_cli.decode.options import TextSearch
from speecht5_cli.decode.scorers import AttentionScorer, CTCPrefixScorer
from speecht5_cli.models.speecht5 import Encoded, SpeechT5
from speecht5_cli.plugins import Hypothesis

Timed = Sequence[Sequence[TimedWord]]  # words of each row


def search_text(
    model: SpeechT5,
    encoded: Encoded,
    options: TextSearch,
    *,
    eos: int,
    forbidden: Sequence[int],
    symbols: Sequence[str] = (),
) -> list[list[Found]]:
    """The hypotheses of each utterance, best first; `forbidden` symbols are never said.

    With ctc_weight 1 the decoder is not asked at all. `symbols`, in the order of their ids, are needed for a language
    model only.
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
    if options.lm is not None and options.lm_weight:
        language = load_language(options.lm, str(encoded.states.device))
        scorers.append(Weighted(LanguageScorer(language, symbols, n_utterances=len(encoded.states)), options.lm_weight))
    return Search(
        scorers,
        limits=(encoded.lens * options.tokens_per_frame).long().clamp(min=1),
        beam=options.beam,
        eos=eos,
        forbidden=forbidden,
        min_tokens=options.min_tokens,
        length_penalty=options.length_penalty,
        length_bonus=options.length_bonus,
        original_ctc=model.cfg.padding == "original" and 0 < options.ctc_weight < 1,
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


def timed(model: SpeechT5, encoded: Encoded, found: Sequence[Sequence[Found]], symbols: Sequence[str]) -> Timed:
    """The words of each row's best hypothesis with their times; spread evenly where the model has no CTC head."""
    lens = encoded.lens.tolist()
    if model.parts.blank is None:
        return [spread_words(results[0].tokens if results else [], symbols, n) for results, n in zip(found, lens)]
    log_p = model.ctc_logits(encoded).float().log_softmax(-1)
    return [
        timed_words(row[:n], results[0].tokens if results else [], symbols, blank=model.blank)
        for row, results, n in zip(log_p, found, lens)
    ]


def as_hypotheses(
    ids: Sequence[str], found: Sequence[Sequence[Found]], spelled: Callable[[list[int]], str], *, nbest: int
) -> list[Hypothesis]:
    """What was found for each utterance as text; an utterance for which nothing was found gets the empty text."""
    hypotheses = []
    for name, results in zip(ids, found):
        if not results:
            hypotheses.append(Hypothesis(name, "", float("-inf"), "nothing"))
            continue
        best = results[0]
        texts = tuple((spelled(result.tokens), result.score) for result in results[:nbest])
        hypotheses.append(Hypothesis(name, texts[0][0], best.score, best.stopped, texts if nbest > 1 else ()))
    return hypotheses


def joined(
    ids: Sequence[str],
    rows: Sequence[Hypothesis],
    owners: Sequence[int],
    words: Timed | None = None,
    spans_s: Sequence[tuple[float, float]] = (),
    *,
    timings: bool = False,
) -> list[Hypothesis]:
    """One hypothesis for each of `ids` from its rows (owners[k] says whose row k is).

    With the `words` of the rows and the time that each covers, overlapping windows are joined on the alignment, else
    texts follow one another. `timings` keeps the words' times.
    """
    hypotheses = []
    for number, name in enumerate(ids):
        own = [k for k, owner in enumerate(owners) if owner == number]
        whole = rows[own[0]] if len(own) == 1 else _together(name, [rows[k] for k in own])
        if words is not None:
            said = joined_words([words[k] for k in own], [spans_s[k] for k in own])
            if len(own) > 1:
                whole = replace(whole, value=" ".join(word.word for word in said))
            if timings:
                times = [[word.word, round(word.start_s, 2), round(word.end_s, 2)] for word in said]
                whole = replace(whole, details={"words": times})
        hypotheses.append(replace(whole, id=name))
    return hypotheses


def _together(name: str, parts: Sequence[Hypothesis]) -> Hypothesis:
    text = " ".join(str(part.value) for part in parts if part.value)
    stopped = "length" if any(part.stopped == "length" for part in parts) else parts[0].stopped
    return Hypothesis(name, text, sum(part.score for part in parts), stopped)
