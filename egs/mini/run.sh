#!/usr/bin/env bash
# mini: synthetic sentences in twenty voices, made on the spot; all tasks on a laptop.
# Stages: 1 data, 2 features, 3 units, 4 pretrain, 5 finetune, 6 decode, 7 score. See README.md.
options=(corpus) path_options=(corpus)
corpus=corpus
. "$(dirname "$0")/../common/recipe.sh"

pretrain=exp/pretrain$suffix finetuned=exp/$task$suffix units=units
if [ "$iter" = 2 ]; then units=units_it2; fi

if stage 1 data; then
  run speecht5 prepare mini "$corpus" data --nj "$nj"
fi

if stage 2 features; then
  needs data/pretrain 1
  run speecht5 vocab build data/text/train.txt data/vocab --kind char
  run speecht5 speakers fit data/pretrain exp/xvector conf/xvector.yaml
  run speecht5 speakers embed exp/xvector data/pretrain data/pretrain_dev
  run speecht5 features data/pretrain dump/mfcc/pretrain --kind mfcc --nj "$nj"
  run speecht5 features data/pretrain_dev dump/mfcc/pretrain_dev --kind mfcc --nj "$nj"
fi

if stage 3 units && [ "$iter" = 1 ]; then
  needs dump/mfcc/pretrain 2
  run speecht5 units fit dump/mfcc/pretrain exp/units --clusters 50 --restarts 1
  run speecht5 units report exp/units dump/mfcc/pretrain_dev
  run speecht5 units label exp/units dump/mfcc/pretrain data/pretrain
  run speecht5 units label exp/units dump/mfcc/pretrain_dev data/pretrain_dev
fi

if stage 4 pretrain; then
  needs data/pretrain/units 3
  run speecht5 pretrain conf/pretrain.yaml "${variant[@]}" --exp "$pretrain" --ngpu "$ngpu" pretrain.units="$units"
fi

if stage 5 finetune; then
  needs "$pretrain" 4
  run speecht5 finetune --task "$task" "conf/$task.yaml" "${variant[@]}" --exp "$finetuned" --init "$pretrain" --ngpu "$ngpu"
fi

if stage 6 decode; then
  needs "$finetuned" 5
  run speecht5 decode --task "$task" --model "$finetuned"
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
