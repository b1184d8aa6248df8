"""The shared encoder, for speech and text."""

from golden import Same, golden, model

SPEECH, TEXT = "b_encoder_speech", "b_encoder_text"


def test_speech(same: Same) -> None:
    """encoder, speech, padded batch (padding: original)"""
    net, g = model(), golden(SPEECH)
    wav, lens = g.tensor("wav"), g.lens("padding_mask")
    prenet = net.speech_encoder_prenet
    features = prenet.extract(wav, lens)
    same(SPEECH, "conv_features", features)
    projected = prenet.projection(prenet.norm(features))
    same(SPEECH, "after_proj", projected)
    same(SPEECH, "pos_conv", prenet.conv_positions(projected))
    frames = prenet(wav, lens)
    same(SPEECH, "sinusoidal", prenet.positions(frames.pad))
    same(SPEECH, "frame_padding_mask", frames.pad)
    same(SPEECH, "prenet_out", frames.states)
    same(SPEECH, "hidden0", net.encoder.norm(frames.states))
    same(SPEECH, "hidden1", net.encode_speech(wav, lens, upto=1).states)
    encoded = net.encode_speech(wav, lens)
    same(SPEECH, "encoder_out", encoded.states)
    same(SPEECH, "frame_lengths_from_mask", encoded.lens)
    same(SPEECH, "ctc_logits", net.ctc_logits(encoded))


def test_attention_logits(same: Same) -> None:
    """encoder, attention logits with relative positions (padding: original)"""
    from speecht5_cli.models.masks import padding_bias
    from speecht5_cli.models.relative_attention import relative_logits

    net, g = model(), golden(SPEECH)
    frames = net.speech_encoder_prenet(g.tensor("wav"), g.lens("padding_mask"))
    attention, positions = net.encoder.layers[0].attention, net.encoder.relative
    x = net.encoder.norm(frames.states)
    query = attention._heads(attention.query(x)) * attention.scale
    key, _ = attention.keys_values(x)
    logits = query @ key.transpose(2, 3) + relative_logits(query, positions.table, positions.index(x.size(1)))
    same(SPEECH, "layer0_attn_logits", (logits + padding_bias(frames.pad))[:, :2])


def test_speech_exact(same: Same) -> None:
    """encoder, speech, the same utterances in a padded batch, each as if alone (padding: exact)"""
    net, g = model("exact"), golden(SPEECH)
    wav, lens = g.tensor("wav"), g.lens("padding_mask")
    encoded = net.encode_speech(wav, lens)
    n = int(encoded.lens[1])
    assert encoded.lens.tolist() == g["conv_out_lengths"].tolist()
    same(SPEECH, "encoder_out_wav1_alone", encoded.states[1:, :n])
    same(SPEECH, "conv_features_wav1_alone", net.speech_encoder_prenet.extract(wav, lens)[1:, :n])
    same.arrays("encoder_out of the unpadded row", encoded.states[0].numpy(), g["encoder_out"][0])


def test_text(same: Same) -> None:
    """encoder, text"""
    net, g = model(), golden(TEXT)
    tokens = g.tensor("src_tokens")
    x = net.text_encoder_prenet(tokens, net.symbols.weight)
    same(TEXT, "prenet_out", x)
    same(TEXT, "hidden0", net.encoder.norm(x))
    same(TEXT, "hidden1", net.encoder(x, tokens == 1, upto=1))
    encoded = net.encode_text(tokens)
    same(TEXT, "encoder_out", encoded.states)
    same(TEXT, "ctc_logits", net.ctc_logits(encoded))


def test_large(same: Same) -> None:
    """the large variant: norms in front of the sub-blocks, and behind every convolution"""
    name = "x_large_prenorm"
    net, asr, tts = model(weights_of="ckpt_large_prenorm"), golden("c_asr"), golden("d_tts")
    wav, lens = asr.tensor("in_source"), asr.lens("in_padding_mask")
    same(name, "conv_features", net.speech_encoder_prenet.extract(wav, lens))
    frames = net.speech_encoder_prenet(wav, lens)
    same(name, "prenet_out", frames.states)
    same(name, "frame_padding_mask", frames.pad)
    same(name, "hidden1", net.encode_speech(wav, lens, upto=1).states)
    same(name, "hidden2", net.encode_speech(wav, lens, upto=2).states)
    encoded = net.encode_speech(wav, lens)
    same(name, "encoder_out", encoded.states)
    same(name, "ctc_logits", net.ctc_logits(encoded))
    same(name, "asr_logits", net.decode_text(asr.tensor("in_prev_output_tokens"), encoded))
    encoded = net.encode_text(tts.tensor("in_src_tokens").long())
    same(name, "text_encoder_out", encoded.states)
    mel, mel_lens = tts.tensor("batch_dec_target"), tts.tensor("batch_dec_target_lengths")
    spoken = net.decode_speech(mel, mel_lens, encoded, tts.tensor("in_spkembs"))
    same(name, "tts_before", spoken.before)
    same(name, "tts_after", spoken.after)
    same(name, "tts_stop_logits", spoken.stop_logits)
