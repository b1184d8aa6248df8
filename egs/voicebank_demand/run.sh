#!/usr/bin/env bash
# voicebank_demand: clean speech from noisy speech, on an open corpus of 28 speakers and 2 test speakers.
# --task se. --corpus DIR: what holds clean_trainset_28spk_wav and so on (stage 0 fetches them).
# --init MODEL: by default the one of ../librispeech. --judge MODEL: the recogniser that reads what is spoken,
# --speaker-net NET: what makes voices of it. See README.md.
options=(corpus judge speaker_net vocoder) path_options=(corpus judge speaker_net vocoder)
task=se corpus=downloads judge=../librispeech/exp/asr speaker_net='' vocoder=griffin-lim
. "$(dirname "$0")/../common/recipe.sh"

takes se
starts_from ../librispeech/exp/pretrain
speaks_with ../librispeech/exp/xvector
finetuned=exp/se$suffix

if [ "$corpus" = downloads ] && stage 0 download; then
  datashare=https://datashare.ed.ac.uk/bitstream/handle/10283/2791
  download $datashare/clean_trainset_28spk_wav.zip md5:d2d5a45ec32f8fcbf201bde0447e20ba
  download $datashare/noisy_trainset_28spk_wav.zip md5:1fca9e8bafb8cd069f6653c6d92f9e9c
  download $datashare/clean_testset_wav.zip md5:34eb1c0ba7ef667e9b966866c542fc16
  download $datashare/noisy_testset_wav.zip md5:fb1b86caa31e8ba5b506c0c64da9aab5
  download $datashare/trainset_28spk_txt.zip
  download $datashare/testset_txt.zip
  download $datashare/logfiles.zip
fi

if stage 1 data; then
  needs "$corpus/noisy_trainset_28spk_wav" 0
  run speecht5 prepare voicebank_demand "$corpus" data --nj "$nj"
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
