#!/usr/bin/env bash
# Does pre-training help? Recognition with and without it, from all labels and from a tenth of them.
# Run ./run.sh first (it pre-trains); then this: four fine-tunings, their decoding and scores.
options=() path_options=()
. "$(dirname "$0")/../common/recipe.sh"

needs exp/pretrain/model 4
tenth=(data.train=data/train_10pct)
run speecht5 finetune --task asr conf/asr.yaml --exp exp/asr --init exp/pretrain
run speecht5 finetune --task asr conf/asr.yaml --exp exp/asr_scratch --init none model.size=tiny
run speecht5 finetune --task asr conf/asr.yaml --exp exp/asr_10pct --init exp/pretrain "${tenth[@]}"
run speecht5 finetune --task asr conf/asr.yaml --exp exp/asr_10pct_scratch --init none model.size=tiny "${tenth[@]}"
run speecht5 decode --task asr --model exp/asr
run speecht5 decode --task asr --model exp/asr_scratch
run speecht5 decode --task asr --model exp/asr_10pct
run speecht5 decode --task asr --model exp/asr_10pct_scratch
run speecht5 score
