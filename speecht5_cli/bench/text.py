"""Text from speech: what one more token costs. Both sides say the same number of tokens."""

from collections.abc import Iterator

import torch
from torch import Tensor

from speecht5_cli.bench.measure import Effort, Row, in_turns
from speecht5_cli.bench.nets import EOS, Pair, base_pair, suited, wave
from speecht5_cli.data.vocabulary import FIRST
from speecht5_cli.decode.beam import Found, Search, Weighted
from speecht5_cli.decode.language import Language, LanguageScorer
from speecht5_cli.decode.scorers import AttentionScorer, CTCPrefixScorer
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.lm import LanguageModel
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

SECONDS = 10.0
TOKENS = 60
BEAMS = (1, 5, 10)
BATCHES = (1, 8)
SYMBOLS = 81


def rows(effort: Effort) -> Iterator[Row]:
    """Searches of each width on encoded speech, the encoder not counted."""
    plain = base_pair("SpeechT5ForSpeechToText")
    tokens = 20 if effort.quick else TOKENS
    for pair, precision, batch, beam in cases(plain, effort):
        ours, theirs = encoded(pair, batch)

        def search(pair: Pair = pair, beam: int = beam, ours: Encoded = ours) -> list[list[Found]]:
            return searched(pair, ours, beam, tokens)

        def generate(beam: int = beam, theirs: Tensor = theirs) -> Tensor:
            return generated(plain, theirs, beam, tokens)

        differing = sum(a != b for a, b in zip(best(search()), generate().tolist()))
        mine, peer = in_turns(search, generate, effort, units=tokens)
        width = "greedy" if beam == 1 else f"beam {beam}"
        note = f"{differing} of {batch} texts differ" if differing else ""
        yield Row("asr", f"{width}, batch {batch}{precision}", "token", mine, peer, note=note)
    yield from joint_rows(effort, tokens)


def joint_rows(effort: Effort, tokens: int) -> Iterator[Row]:
    """The decoder with CTC prefixes, and with a language model besides. Nobody else here does that in batches."""
    torch.manual_seed(0)
    net = SpeechT5(ModelConfig(), Parts(speech_in=True, text_out=True, vocabulary=SYMBOLS, blank=SYMBOLS - 1)).eval()
    net = suited(net, "fp32")
    language = Language(
        suited(LanguageModel(LMConfig(), SYMBOLS).eval(), "fp32"), (*FIRST, *map(str, range(len(FIRST), SYMBOLS)))
    )
    for batch in BATCHES[: 1 if effort.quick else None]:
        sound = wave(SECONDS, batch=batch)
        with torch.inference_mode():
            source = net.encode_speech(sound, torch.full((batch,), sound.size(1)))
        for name, models in (("CTC", []), ("CTC and a language model", [language])):

            def search(source: Encoded = source, models: list[Language] = models) -> list[list[Found]]:
                return jointly(net, source, models, tokens)

            mine, _ = in_turns(search, None, effort, units=tokens)
            yield Row("asr", f"beam {BEAMS[1]} with {name}, batch {batch}", "token", mine)


def jointly(net: SpeechT5, source: Encoded, models: list[Language], tokens: int) -> list[list[Found]]:
    """As `searched`, with more to ask at every step."""
    beam = BEAMS[1]
    with torch.inference_mode():
        log_p = net.ctc_logits(source).log_softmax(-1)
        prefixes = CTCPrefixScorer(log_p, source.lens, beam, blank=net.blank, eos=EOS)
        scorers = [Weighted(AttentionScorer(net, source), 0.7), Weighted(prefixes, 0.3)]
        for one in models:
            scorers.append(Weighted(LanguageScorer(one, one.symbols, n_utterances=len(source.states)), 0.3))
        limits = torch.full((len(source.states),), tokens)
        return Search(scorers, limits, beam=beam, eos=EOS, forbidden=(), min_tokens=tokens).run()


def cases(plain: Pair, effort: Effort) -> Iterator[tuple[Pair, str, int, int]]:
    """Models, what to call their precision, batch, beam."""
    exact, rounded = plain.suited("fp32"), plain.suited("int8")
    for batch in BATCHES[: 1 if effort.quick else None]:
        for beam in BEAMS[: 2 if effort.quick else None]:
            yield exact, "", batch, beam
    for beam in BEAMS[:2]:
        yield rounded, ", int8 beside fp32", 1, beam


def encoded(pair: Pair, batch: int) -> tuple[Encoded, Tensor]:
    """The states that each starts from."""
    sound = wave(SECONDS, batch=batch)
    with torch.inference_mode():
        ours = pair.ours.encode_speech(sound, torch.full((batch,), sound.size(1)))
        return ours, pair.theirs.speecht5.encoder(input_values=sound).last_hidden_state


def searched(pair: Pair, source: Encoded, beam: int, tokens: int) -> list[list[Found]]:
    """As many tokens as told, the end mark not counted."""
    with torch.inference_mode():
        scorers = [Weighted(AttentionScorer(pair.ours, source), 1.0)]
        limits = torch.full((len(source.states),), tokens)
        return Search(scorers, limits, beam=beam, eos=EOS, forbidden=(), min_tokens=tokens).run()


def generated(pair: Pair, states: Tensor, beam: int, tokens: int) -> Tensor:
    """(B, tokens) without the mark that starts them."""
    from transformers.modeling_outputs import BaseModelOutput

    with torch.inference_mode():
        return pair.theirs.generate(
            encoder_outputs=BaseModelOutput(states),  # a new one: `generate` repeats its rows in place
            num_beams=beam,
            do_sample=False,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            length_penalty=1.0,
        )[:, 1:]


def best(found: list[list[Found]]) -> list[list[int]]:
    """The tokens of each utterance's first hypothesis."""
    return [results[0].tokens for results in found]
