#!/usr/bin/env bash
# cmu_arctic: the same words in another voice, from each of four speakers to each of the others.
# --task vc. --corpus DIR: what holds cmu_us_bdl_arctic and so on (stage 0 fetches them).
# --init MODEL: by default the one of ../librispeech. --judge MODEL: the recogniser that reads what is spoken,
# --speaker-net NET: what makes voices of it. See README.md.
options=(corpus judge speaker_net vocoder) path_options=(corpus judge speaker_net vocoder)
task=vc corpus=downloads judge=../librispeech/exp/asr speaker_net='' vocoder=griffin-lim
. "$(dirname "$0")/../common/recipe.sh"

takes vc
starts_from ../librispeech/exp/pretrain
speaks_with ../librispeech/exp/xvector
finetuned=exp/vc$suffix

if [ "$corpus" = downloads ] && stage 0 download; then
  festvox=http://festvox.org/cmu_arctic/packed
  download $festvox/cmu_us_bdl_arctic.tar.bz2 sha256:26b91aaf48b2799b2956792b4632c2f926cd0542f402b5452d5adecb60942904
  download $festvox/cmu_us_clb_arctic.tar.bz2 sha256:3f16dc3f3b97955ea22623efb33b444341013fc660677b2e170efdcc959fa7c6
  download $festvox/cmu_us_rms_arctic.tar.bz2 sha256:c6dc11235629c58441c071a7ba8a2d067903dfefbaabc4056d87da35b72ecda4
  download $festvox/cmu_us_slt_arctic.tar.bz2 sha256:7c173297916acf3cc7fcab2713be4c60b27312316765a90934651d367226b4ea
fi

if stage 1 data; then
  needs "$corpus/cmu_us_slt_arctic" 0
  run speecht5 prepare cmu_arctic "$corpus" data speakers=bdl,clb,rms,slt test_pairs=bdl-slt,clb-slt --nj "$nj"
fi

if stage 2 features; then
  needs data/train 1
  bring_speaker_net
  run speecht5 speakers embed "$speaker_net" data/train data/dev data/test_bdl_slt data/test_clb_slt --of target
fi

if stage 4 pretrain; then
  bring_initial
fi

if stage 5 finetune; then
  needs data/train/xvector.scp 2
  needs_initial
  run speecht5 finetune --task vc conf/vc.yaml "${variant[@]}" --exp "$finetuned" --init "$initial" --ngpu "$ngpu"
fi

if stage 6 decode; then
  needs "$finetuned/model" 5
  run speecht5 decode --task vc --model "$finetuned" --vocoder "$vocoder"
  hear "$finetuned/decode/test_bdl_slt" data/test_bdl_slt source
  hear "$finetuned/decode/test_clb_slt" data/test_clb_slt source
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
