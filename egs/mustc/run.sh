#!/usr/bin/env bash
# mustc: English talks translated into German (or --lang fr and any other language that is there), from the sound.
# --task st. --corpus DIR: what holds en-de and so on, of release 1 (stage 0 says how to get it).
# --pieces N: symbols of the translation (8000). --init MODEL: by default the one of ../librispeech. See README.md.
options=(corpus lang pieces) path_options=(corpus)
task=st corpus=downloads lang=de pieces=8000
. "$(dirname "$0")/../common/recipe.sh"

takes st
starts_from ../librispeech/exp/pretrain
data=data/en-$lang vocabulary=data/vocab_$lang finetuned=exp/st_$lang$suffix

if stage 0 download; then
  by_hand "$corpus/en-$lang" \
    "  1. ask for MuST-C release 1, en-$lang, at https://ict.fbk.eu/must-c (a form; licence CC BY-NC-ND 4.0)" \
    "  2. tar -xf MUSTC_v1.0_en-$lang.tar.gz -C egs/mustc/downloads, or name its place with --corpus"
fi

if stage 1 data; then
  needs "$corpus/en-$lang" 0
  run speecht5 prepare mustc "$corpus" "$data" "language=$lang" --nj "$nj"
fi

if stage 2 features; then
  needs "$data/train" 1
  run speecht5 vocab build "$data/train" "$vocabulary" --field "text.$lang" --kind unigram --size "$pieces"
fi

if stage 4 pretrain; then
  bring_initial
fi

if stage 5 finetune; then
  needs "$vocabulary" 2
  needs_initial
  run speecht5 finetune --task st conf/st.yaml "${variant[@]}" --exp "$finetuned" --init "$initial" --ngpu "$ngpu" \
    "st.language=$lang" "st.vocabulary=$vocabulary" "data.train=$data/train" "data.dev=$data/dev"
fi

if stage 6 decode; then
  needs "$finetuned/model" 5
  run speecht5 decode --task st --model "$finetuned" --data "$data/tst_COMMON"
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
