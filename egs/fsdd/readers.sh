#!/usr/bin/env bash
# Who of many readers speaks? Identification with and without pre-training, from the first part of each recording, asked
# about its last part. Run ./run.sh --extra-speech DIR --stop-stage 4 first.
options=() path_options=()
. "$(dirname "$0")/../common/recipe.sh"

needs data/readers_train 1
needs exp/pretrain_extra/model 4
sid=(--task sid conf/sid.yaml --variant conf/readers.yaml data.train=data/readers_train data.dev=data/readers_dev)
run speecht5 finetune "${sid[@]}" --exp exp/sid_readers --init exp/pretrain_extra
run speecht5 finetune "${sid[@]}" --exp exp/sid_readers_scratch --init none model.size=tiny
run speecht5 decode --task sid --model exp/sid_readers --data data/readers_test
run speecht5 decode --task sid --model exp/sid_readers_scratch --data data/readers_test
run speecht5 score
