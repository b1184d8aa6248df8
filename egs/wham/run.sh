#!/usr/bin/env bash
# wham: clean speech from noisy speech, on WSJ0 in recorded noise: the paper's corpus for enhancement.
# --task se. --corpus DIR: the generated WHAM! (what holds wav16k/max), or what holds wham_noise and wham_scripts, which
# stage 0 fetches, to mix it anew. --wsj0 DIR: WSJ0, for its speech and its texts (stage 0 says how to get it).
# --init MODEL: by default the one of ../librispeech. --judge MODEL: the recogniser that reads what is spoken,
# --speaker-net NET: what makes voices of it. See README.md.
options=(corpus wsj0 judge speaker_net vocoder) path_options=(corpus wsj0 judge speaker_net vocoder)
task=se corpus=downloads wsj0=downloads/wsj0 judge=../librispeech/exp/asr speaker_net='' vocoder=griffin-lim
. "$(dirname "$0")/../common/recipe.sh"

takes se
starts_from ../librispeech/exp/pretrain
speaks_with ../librispeech/exp/xvector
finetuned=exp/se$suffix

if [ "$corpus" = downloads ] && stage 0 download; then
  bucket=https://my-bucket-a8b4b49c25c811ee9a7e8bba05fa24c7.s3.amazonaws.com # of wham.whisper.ai
  download $bucket/wham_noise.zip
  download $bucket/wham_scripts.tar.gz
  by_hand "$wsj0" \
    "  1. get WSJ0 (LDC93S6A, https://catalog.ldc.upenn.edu/LDC93S6A; a licence of the LDC)" \
    "  2. put the folder with si_tr_s, si_dt_05 and si_et_05 to egs/wham/downloads/wsj0, or name its place with --wsj0"
fi

if stage 1 data; then
  needs "$corpus" 0
  texts=()
  if has "$wsj0" "no texts, and no words are scored; --wsj0 names WSJ0"; then texts=("wsj0=$wsj0"); fi
  run speecht5 prepare wham "$corpus" data "${texts[@]}" --nj "$nj"
fi

if stage 2 features; then
  needs data/train 1
  bring_speaker_net
  run speecht5 speakers embed "$speaker_net" data/train data/dev data/test --of source
fi

if stage 4 pretrain; then
  bring_initial
fi

if stage 5 finetune; then
  needs data/train/xvector.scp 2
  needs_initial
  run speecht5 finetune --task se conf/se.yaml "${variant[@]}" --exp "$finetuned" --init "$initial" --ngpu "$ngpu"
fi

if stage 6 decode; then
  needs "$finetuned/model" 5
  run speecht5 decode --task se --model "$finetuned" --vocoder "$vocoder"
  hear "$finetuned/decode/test" data/test noisy
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
