"""Cuts the numbers of the original code down to what the suite compares: `python pack.py GOLDEN_FOLDER`.

`data/` gets the checkpoints (compressed) and of the arrays those named here, bit for bit as they are, but

- the rows of padded waves and spectrograms, which occur in many files, go to `rows.npz` once each, and `key#rows` holds
  their numbers, starts and lengths, `key#shape` the padded shape, `key#pad` what fills it; waves are 16-bit there;
- an array that is identical to one stored before is the string `=file/key`;
- of large outputs every nth slice along an axis is kept: `before_postnet` with (1, 3) becomes `before_postnet@1:3`.

`golden.py` reads all of this.
"""

import json
import lzma
import shutil
import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).with_name("data")
ALL = None  # all keys of a file, whole
WAVES = ("wav", "in_source", "input_values")
MELS = ("batch_dec_target", "batch_target", "labels")

COMPRESSED = ("ckpt_pretrain.pt", "ckpt_large_prenorm.pt", "hf/asr/model.safetensors", "hf/tts/model.safetensors")
COPIED = (
    "sid_extra_weights.npz",
    "dict.txt",
    "dict.km.txt",
    "h_speech_mask_stats.json",
    "h_text_noise_stats.json",
    "init_stats_base.json",
    "fairseq_to_hf_keymap.json",
    "hf/asr/config.json",
    "hf/asr/generation_config.json",
    "hf/tts/config.json",
    "hf/tts/generation_config.json",
)

_ENCODER = {"hidden0": (1, 5), "hidden1": (1, 5), "prenet_out": (1, 5), "ctc_logits": (1, 5)}
_BATCH = {"in_spkembs": 0, "in_tgt_lengths": 0, "batch_labels": 0, "batch_dec_target": 0, "batch_dec_target_lengths": 0}
_SPOKEN = {"before_postnet": (1, 5), "after_postnet": (1, 5), "stop_logits": 0, "decoder_out": (1, 5)}
_SPOKEN |= {"decoder_prenet_out": (1, 5), "cross_attn": (3, 5), "encoder_padding_mask": 0, "decoder_padding_mask": 0}
_GENERATED = {"gen_mel": (0, 4), "gen_stop_prob": 0, "gen_attn": (2, 5), "genmax_len": 0}
_GENERATED |= {"genmax_mel_first20": (0, 5), "genmax_mel_last20": (0, 5)}
_LOSS_WORDS = ("eval_", "train_", "mask_")

KEPT = {
    "b_encoder_speech": {
        "wav": 0,
        "padding_mask": 0,
        "conv_features": (1, 3),
        "conv_features_wav1_alone": (1, 3),
        "frame_padding_mask": 0,
        "after_proj": (1, 7),
        "pos_conv": (1, 7),
        "sinusoidal": (1, 7),
        **_ENCODER,
        "encoder_out": 0,
        "layer0_attn_logits": (2, 7),
        "encoder_out_wav1_alone": 0,
        "conv_out_lengths": 0,
        "frame_lengths_from_mask": 0,
    },
    "b_encoder_text": {"src_tokens": 0, **_ENCODER, "encoder_out": 0},
    "c_asr": ALL,
    "d_tts": {"in_src_tokens": 0, "in_src_lengths": 0, "in_prev_output_tokens": (1, 5)} | _BATCH | _SPOKEN | _GENERATED,
    "d_vc": {"in_source": 0, "in_padding_mask": 0} | _BATCH | _SPOKEN | _GENERATED,
    "e_sid": ALL,
    "f_quantizer": ALL,
    "f_speech_pre_crop": {
        "in_source": 0,
        "in_padding_mask": 0,
        **_BATCH,
        "batch_target_list_0": 0,
        "mask_indices": 0,
        "codebook_perm": 0,
        "gumbel": 0,
        "aligned_targets": 0,
        "frame_padding_mask": 0,
        "features_pen": 0,
        "prob_perplexity": 0,
        "code_perplexity": 0,
    },
    "f_speech_pre_pad": {
        "in_source": 0,
        "in_padding_mask": 0,
        **_BATCH,
        "batch_target_list_0": 0,
        "mask_indices": 0,
        "codebook_perm": 0,
        "gumbel": 0,
        "aligned_targets": 0,
        "frame_padding_mask": 0,
        "features_pen": 0,
        "prob_perplexity": 0,
        "code_perplexity": 0,
        "logit_m": (0, 3),
        "logit_u": (0, 7),
        "before_postnet": (1, 7),
        "after_postnet": (1, 7),
        "stop_logits": 0,
        "cross_attn_last_layer_mean": (1, 5),
        "prenet_out_masked": (1, 5),
        "encoder_out_masked": (1, 5),
        "quantized": (1, 5),
        "quantizer_indices": 0,
    },
    "f_text_pretrain": ALL,
    "g_asr_loss": ALL,
    "g_sid_loss": ALL,
    "g_tts_loss": ALL,
    "g_vc_loss": ALL,
    "h_speech_mask_draws": ALL,
    "h_text_noise_examples": ALL,
    "x_large_prenorm": {
        "conv_features": (1, 7),
        "prenet_out": (1, 7),
        "frame_padding_mask": 0,
        "hidden1": (1, 7),
        "hidden2": (1, 7),
        "encoder_out": (1, 3),
        "ctc_logits": (1, 3),
        "asr_logits": 0,
        "text_encoder_out": 0,
        "tts_before": (1, 5),
        "tts_after": (1, 5),
        "tts_stop_logits": 0,
    },
    "x_optim": ALL,
    "hf/asr_io": {
        "input_values": 0,
        "attention_mask": 0,
        "labels": 0,
        "decoder_input_ids": 0,
        "logits": 0,
        "loss": 0,
        "encoder_last_hidden_state": (1, 3),
        "encoder_hidden0": (1, 7),
        "encoder_hidden1": (1, 7),
        "frame_attention_mask": 0,
        "greedy_ids": 0,
        "beam3_ids": 0,
    },
    "hf/tts_io": {
        "input_ids": 0,
        "attention_mask": 0,
        "speaker_embeddings": 0,
        "labels": 0,
        "nodrop_spectrogram": (1, 5),
        "nodrop_loss_with_guided": 0,
        "nodrop_loss_no_guided": 0,
        "nodrop_cross_attentions": (3, 5),
        "encoder_last_hidden_state": 0,
        "nodrop_before_postnet": (1, 5),
        "nodrop_stop_logits": 0,
        "nodrop_generate": 0,
        "nodrop_generate_cross_attentions": (2, 3),
        "seed0_spectrogram": (1, 5),
        "seed0_masks_layer0": 0,
        "seed0_masks_layer1": 0,
        "seed555_generate": 0,
        "seed555_generate_masks_step_layer_pos_unit": 0,
        "seed555_generate_n_steps": 0,
        "hf_p0_spectrogram": 0,
    },
}
# The losses of pre-training stand in one file with the batches.
_PRETRAIN_LOSSES = ("f_speech_pre_crop", "f_speech_pre_pad")


def main(source: Path) -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    for name in (*COPIED, *COMPRESSED):
        (DATA / name).parent.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(source / name, DATA / name)
    for name in COMPRESSED:
        (DATA / f"{name}.xz").write_bytes(lzma.compress((source / name).read_bytes(), preset=9))
    packer = Packer()
    for name, kept in KEPT.items():
        arrays = np.load(source / f"{name}.npz")
        wanted = dict.fromkeys(arrays.files, 0) if kept is ALL else dict(kept)
        if name in _PRETRAIN_LOSSES:
            wanted |= {key: 0 for key in arrays.files if key.startswith(_LOSS_WORDS)}
        packed: dict[str, np.ndarray] = {}
        for key, cut in wanted.items():
            packed |= packer.packed(name, key, arrays[key], cut)
        np.savez_compressed(DATA / f"{name}.npz", **packed)
    np.savez_compressed(DATA / "rows.npz", **{str(number): row for number, row in enumerate(packer.rows)})
    _write_settings(source)
    size = sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file())
    print(f"{DATA}: {size / 1e6:.2f} MB")


def _write_settings(source: Path) -> None:
    """Of the 300 arguments of each fine-tuning those that differ from pre-training's."""
    arguments = json.loads((source / "config_args.json").read_text())
    base = arguments["pretrain"]
    kept = {
        task: {key: value for key, value in own.items() if key not in base or base[key] != value}
        for task, own in arguments.items()
    }
    (DATA / "config_differences.json").write_text(json.dumps(kept, indent=1))


class Packer:
    """Remembers what is stored already."""

    def __init__(self) -> None:
        self.stored: dict[bytes, str] = {}
        self.rows: list[np.ndarray] = []

    def packed(self, file: str, key: str, array: np.ndarray, cut: "int | tuple[int, int]") -> dict[str, np.ndarray]:
        if isinstance(cut, tuple):
            axis, step = cut
            return {f"{key}@{axis}:{step}": array[(slice(None),) * axis + (slice(None, None, step),)]}
        if key in WAVES or (key in MELS and array.ndim == 3):
            return self._in_rows(key, array)
        mark = array.dtype.str.encode() + str(array.shape).encode() + array.tobytes()
        if array.nbytes > 200 and mark in self.stored:
            return {key: np.array(f"={self.stored[mark]}")}
        self.stored.setdefault(mark, f"{file}/{key}")
        return {key: array}

    def _in_rows(self, key: str, array: np.ndarray) -> dict[str, np.ndarray]:
        pad = np.float32(-100) if array.min() == -100 else np.float32(0)
        table = []
        for row in array:
            valid = row.reshape(len(row), -1) != pad
            row = row[: valid.any(1).nonzero()[0][-1] + 1]
            if row.ndim == 1:
                coarse = np.round(row * 32768).astype(np.int16)
                assert np.array_equal(coarse / np.float32(32768), row), key
                row = coarse
            table.append(self._place(row))
        return {f"{key}#rows": np.array(table), f"{key}#shape": np.array(array.shape), f"{key}#pad": pad}

    def _place(self, row: np.ndarray) -> tuple[int, int, int]:
        """Number, start and length among the rows; a new one is added."""
        for number, known in enumerate(self.rows):
            if known.ndim == row.ndim and len(known) >= len(row):
                for start in range(len(known) - len(row) + 1):
                    if np.array_equal(known[start], row[0]) and np.array_equal(known[start : start + len(row)], row):
                        return number, start, len(row)
        self.rows.append(row)
        return len(self.rows) - 1, 0, len(row)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
