"""BLEU and chrF of a translated set, by sacreBLEU: case-sensitive, detokenised text, tokenised by 13a inside."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from speecht5_cli.errors import DataError
from speecht5_cli.plugins import Scores

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEUScore

Texts = Mapping[str, str]


def translation_scores(references: Texts, hypotheses: Texts, *, source: Texts | None = None) -> Scores:
    """BLEU and chrF2, both 0 to 100, of `hypotheses` (utterance -> text, with the keys of `references`).

    Equal to `sacrebleu ref.txt -i hyp.txt -m bleu chrf`. `source` (the text that was translated) is only shown.
    Raises DataError when there is nothing to score.
    """
    from sacrebleu.metrics import BLEU, CHRF

    if not references:
        raise DataError("no reference, so there is nothing to score")
    said = [hypotheses[utterance] for utterance in references]
    wanted = [list(references.values())]
    metrics = {"bleu": BLEU(tokenize="13a", lowercase=False), "chrf": CHRF()}
    corpus = {name: metric.corpus_score(said, wanted) for name, metric in metrics.items()}
    per_utterance = _per_utterance(references, hypotheses)
    bleu = corpus["bleu"]
    return Scores(
        values={name: score.score for name, score in corpus.items()},
        settings={name: str(metric.get_signature()) for name, metric in metrics.items()},
        aligned=f"{bleu}\n{corpus['chrf']}\n\n{_lines(references, hypotheses, source, per_utterance)}",
        per_utterance=per_utterance,
        counts=_counts(bleu, hypotheses),
    )


def _per_utterance(references: Texts, hypotheses: Texts) -> dict[str, dict[str, float]]:
    """Sentence scores, to find the bad ones; BLEU of a sentence counts only the orders that it has."""
    from sacrebleu.metrics import BLEU, CHRF

    metrics = {"bleu": BLEU(tokenize="13a", effective_order=True), "chrf": CHRF()}
    return {
        utterance: {
            name: round(metric.sentence_score(hypotheses[utterance], [reference]).score, 2)
            for name, metric in metrics.items()
        }
        for utterance, reference in references.items()
    }


def _counts(bleu: "BLEUScore", hypotheses: Texts) -> dict[str, int]:
    return {
        "utterances": len(hypotheses),
        "reference tokens": bleu.ref_len,
        "hypothesis tokens": bleu.sys_len,
        "empty hypotheses": sum(not text.strip() for text in hypotheses.values()),
    }


def _lines(
    references: Texts, hypotheses: Texts, source: Texts | None, per_utterance: Mapping[str, Mapping[str, float]]
) -> str:
    blocks = []
    for utterance, reference in references.items():
        scores = per_utterance[utterance]
        lines = [f"id: ({utterance})", f"Scores: BLEU {scores['bleu']:.1f}  chrF {scores['chrf']:.1f}"]
        lines += [f"SRC:  {source.get(utterance, '')}"] if source else []
        lines += [f"REF:  {reference}", f"HYP:  {hypotheses[utterance]}"]
        blocks.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(blocks) + "\n"
