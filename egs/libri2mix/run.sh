#!/usr/bin/env bash
# libri2mix: clean speech from noisy speech, on LibriSpeech in WHAM!'s noise: the nearest open thing to the paper's.
# --task se. --corpus DIR: the generated Libri2Mix (stage 0 says how). --librispeech DIR: LibriSpeech, for its texts.
# --config conf/360.yaml: learn from train-360, too.
# --init MODEL: by default the one of ../librispeech. --judge MODEL: the recogniser that reads what is spoken,
# --speaker-net NET: what makes voices of it. See README.md.
options=(corpus librispeech judge speaker_net vocoder) path_options=(corpus librispeech judge speaker_net vocoder)
task=se corpus=downloads/Libri2Mix librispeech=../librispeech/downloads/LibriSpeech
judge=../librispeech/exp/asr speaker_net='' vocoder=griffin-lim
. "$(dirname "$0")/../common/recipe.sh"

takes se
starts_from ../librispeech/exp/pretrain
speaks_with ../librispeech/exp/xvector
finetuned=exp/se$suffix

if [ "$corpus" = downloads/Libri2Mix ] && stage 0 download; then
  by_hand "$corpus/wav16k/max" \
    "  LibriMix's scripts mix it of LibriSpeech and WHAM!'s noise (CC BY 4.0 and CC BY-NC 4.0):" \
    "  1. git clone https://github.com/JorisCos/LibriMix, and install what its README names" \
    "  2. ./generate_librimix.sh DIR there, for 2 speakers, 16k, max, mix_single (about 430 GB for all it can make)" \
    "  3. link DIR/Libri2Mix to egs/libri2mix/downloads/Libri2Mix, or name its place with --corpus"
fi

if stage 1 data; then
  needs "$corpus" 0
  texts=()
  if has "$librispeech" "no texts, and no words are scored; --librispeech names it"; then
    texts=("librispeech=$librispeech")
  fi
  run speecht5 prepare libri2mix "$corpus" data "${texts[@]}" --nj "$nj"
fi

if stage 2 features; then
  needs data/train_100 1
  bring_speaker_net
  run speecht5 speakers embed "$speaker_net" data/train_100 data/dev data/test --of source
  if has data/train_360 "conf/360.yaml needs it"; then
    run speecht5 speakers embed "$speaker_net" data/train_360 --of source
  fi
fi

if stage 4 pretrain; then
  bring_initial
fi

if stage 5 finetune; then
  needs data/train_100/xvector.scp 2
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
