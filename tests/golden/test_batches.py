"""Batches as the original's data sets make them."""

import numpy as np
import pytest
import torch
from golden import DATA, Same, golden

from speecht5_cli.data.batch import lens, padded
from speecht5_cli.data.examples import crops, speech_out, text_out
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.data.vocabulary import Vocabulary

TEXTS = ("hello world i", "it's me")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.from_fairseq(DATA / "dict.txt")


def waves(file: str) -> list[np.ndarray]:
    """The waves of a batch, without their padding."""
    g = golden(file)
    return [row[~pad] for row, pad in zip(g["in_source"], g["in_padding_mask"])]


def test_vocabulary(vocabulary: Vocabulary) -> None:
    assert (len(vocabulary), vocabulary.mask, vocabulary.blank) == (40, 38, 39)
    assert vocabulary.decode(vocabulary.encode(TEXTS[1])) == TEXTS[1]


def test_text_out(same: Same, vocabulary: Vocabulary) -> None:
    """ASR and ST batch: shifted and target symbols, padding"""
    batch = text_out([{"tokens": vocabulary.encode(text)} for text in TEXTS])
    same("c_asr", "in_prev_output_tokens", batch["shifted"])
    same("c_asr", "batch_target", batch["target"])
    same("c_asr", "batch_target_lengths", batch["target_lens"])
    assert float(batch["target_lens"].sum() - 2) == golden("c_asr")["batch_ntokens"]  # end marks are not counted


def test_speech_in() -> None:
    g = golden("c_asr")
    assert torch.equal(padded(waves("c_asr")), g.tensor("in_source"))
    assert torch.equal(lens(waves("c_asr")), g.lens("in_padding_mask"))


def test_text_in(same: Same, vocabulary: Vocabulary) -> None:
    """TTS batch: symbols without an end mark"""
    tokens = [np.array(vocabulary.encode(text), np.int32) for text in TEXTS]
    same("d_tts", "in_src_tokens", padded(tokens, Vocabulary.pad))
    same("d_tts", "in_src_lengths", lens(tokens))


@pytest.mark.parametrize("file", ["d_tts", "d_vc", "f_speech_pre_pad"])
def test_speech_out(same: Same, file: str) -> None:
    """TTS, VC and pre-training batches: target log-mel, decoder input, stop labels"""
    g = golden(file)
    n_frames = g["batch_dec_target_lengths"]
    targets = [target[:n] for target, n in zip(g["batch_dec_target"], n_frames)]
    if file != "d_vc":  # the waves of VC's targets are not stored
        heard = waves("c_asr" if file == "d_tts" else file)
        mels = [log_mel(wave) for wave in heard]
        assert [len(mel) for mel in mels] == n_frames.tolist()
        same.arrays(f"{file}/log-mel", padded(mels).numpy(), g["batch_dec_target"], atol=1e-5)
    batch = speech_out(targets, list(g["in_spkembs"]), reduction=2)
    assert batch["mel_lens"].tolist() == (n_frames // 2 * 2).tolist()
    assert (batch["mel_lens"] // 2).tolist() == g["in_tgt_lengths"].tolist()
    # The original's labels are 1 from an utterance's last frame on; ours are made from mel_lens in the loss.
    assert (g["batch_labels"].argmax(1) + 1).tolist() == n_frames.tolist()
    if "in_prev_output_tokens" in g:
        read = batch["mel"][:, 1::2]
        same(file, "in_prev_output_tokens", torch.cat([torch.zeros(2, 1, 80), read[:, :-1]], 1), atol=0)


def test_crops(same: Same) -> None:
    """pre-training batch: random crops of waves, log-mels and unit labels"""
    g, start = golden("f_speech_pre_crop"), 1945
    whole = [waves("c_asr")[0], waves("f_speech_pre_crop")[1]]

    class Drawn:
        """Gives the start of the first crop; the second wave is the shortest."""

        def integers(self, low: int, high: int) -> int:
            return start if high > start else low

    examples = [
        {"wav": wave, "mel": log_mel(wave), "units": np.arange(n_unit_frames(len(wave)))[: 46 if i == 0 else 40]}
        for i, wave in enumerate(whole)
    ]
    cut, mels, units = crops(examples, longest=250_000, rng=Drawn())  # type: ignore[arg-type]
    assert np.array_equal(np.stack(cut), g["in_source"])
    same("f_speech_pre_crop", "batch_dec_target", np.stack(mels), atol=1e-5)
    assert [len(row) for row in units] == [40, 40] == [g["batch_target_list_0"].shape[1]] * 2
    assert units[0][0] == round(start / 320)


def test_pretraining_text(same: Same, vocabulary: Vocabulary) -> None:
    """pre-training batch: text targets start with <s>"""
    from types import SimpleNamespace

    from speecht5_recipes.pretrain import task

    g = golden("f_text_pretrain")
    noisy = [row[row != Vocabulary.pad] for row in g["in_src_tokens"]]
    clean = [g["raw1"], g["raw0"]]
    examples = [{"id": str(i), "tokens": noisy[i], "clean": clean[i]} for i in range(2)]
    batch = task.collate(examples, SimpleNamespace(), None)
    same("f_text_pretrain", "in_src_tokens", batch["tokens"])
    same("f_text_pretrain", "in_prev_output_tokens", batch["shifted"])
    same("f_text_pretrain", "batch_target", batch["target"])
    assert batch.weights["text"] == g["batch_ntokens"]
