#!/usr/bin/env bash
# voxceleb1: who of 1,251 celebrities speaks.
# --task sid. --corpus DIR: what holds iden_split.txt and, below, the speakers' folders id10001 and so on.
# --init MODEL: by default the one of ../librispeech. See README.md.
options=(corpus) path_options=(corpus)
task=sid corpus=downloads
. "$(dirname "$0")/../common/recipe.sh"

takes sid
starts_from ../librispeech/exp/pretrain
finetuned=exp/sid$suffix

if [ "$corpus" = downloads ] && stage 0 download; then
  download https://www.robots.ox.ac.uk/~vgg/data/voxceleb/meta/iden_split.txt md5:09710b779bc221585f5837ef0341a1d2
  download https://www.robots.ox.ac.uk/~vgg/data/voxceleb/meta/veri_test.txt md5:29fc7cc1c5d59f0816dc15d6e8be60f7
  download https://www.openslr.org/resources/49/vox1_meta.csv md5:f5067cae5157ca27904c4b0a926e2661
  by_hand downloads/dev \
    "  1. ask for VoxCeleb1 at https://www.robots.ox.ac.uk/~vgg/data/voxceleb (a form; only the links are CC BY 4.0)" \
    "  2. cat vox1_dev_wav_parta? >vox1_dev_wav.zip; its md5 sum is ae63e55b951748cc486645f532ba230b" \
    "  3. unzip vox1_dev_wav.zip -d egs/voxceleb1/downloads/dev" \
    "  4. unzip vox1_test_wav.zip -d egs/voxceleb1/downloads/test; its md5 sum is 185fdc63c3c739954633d50379a3d102"
fi

if stage 1 data; then
  needs "$corpus/iden_split.txt" 0
  run speecht5 prepare voxceleb1 "$corpus" data --parts train,dev,test --nj "$nj"
fi

if stage 4 pretrain; then
  bring_initial
fi

if stage 5 finetune; then
  needs data/train 1
  needs_initial
  run speecht5 finetune --task sid conf/sid.yaml "${variant[@]}" --exp "$finetuned" --init "$initial" --ngpu "$ngpu"
fi

if stage 6 decode; then
  needs "$finetuned/model" 5
  run speecht5 decode --task sid --model "$finetuned"
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
