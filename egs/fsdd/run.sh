#!/usr/bin/env bash
# fsdd: the Free Spoken Digit Dataset, real speech of six people: single digits, and strings of them.
# --corpus DIR: its recordings (stage 0 clones them). --extra-speech DIR: read speech to pre-train on, too.
# --task asr (default), st, tts, vc, se or sid. --lang de or fr: what st translates into. See README.md.
options=(corpus extra_speech lang) path_options=(corpus extra_speech)
corpus=downloads/free-spoken-digit-dataset/recordings extra_speech='' lang=de
. "$(dirname "$0")/../common/recipe.sh"

if [ -n "$extra_speech" ]; then suffix=_extra$suffix; fi
pretrain=exp/pretrain$suffix finetuned=exp/$task$suffix units=units settings=() extra=() more_speech=() more_sets=()
if [ "$task" = st ]; then finetuned=exp/st_$lang$suffix settings=("st.language=$lang" "st.vocabulary=data/vocab_$lang"); fi
if [ "$iter" = 2 ]; then units=units_it2; fi
if [ -n "$extra_speech" ]; then
  extra=("extra_speech=$extra_speech") more_speech=(data/pretrain_extra) more_sets=(data.train='[data/pretrain, data/pretrain_extra]')
fi
unlabelled=(data/pretrain data/pretrain_dev "${more_speech[@]}")

if stage 0 download; then
  repository=https://github.com/Jakobovski/free-spoken-digit-dataset.git
  if [ ! -d "$corpus" ]; then run git clone --depth 1 "$repository" downloads/free-spoken-digit-dataset; fi
fi

if stage 1 data; then
  needs "$corpus" 0
  run speecht5 prepare fsdd "$corpus" data --nj "$nj" "${extra[@]}"
fi

if stage 2 features; then
  needs data/pretrain 1
  run speecht5 vocab build data/text/train.txt data/vocab --kind char
  run speecht5 speakers fit data/digits_train exp/xvector conf/xvector.yaml
  run speecht5 speakers embed exp/xvector "${unlabelled[@]}"
  for set in "${unlabelled[@]}"; do
    run speecht5 features "$set" "dump/mfcc/$(basename "$set")" --kind mfcc --nj "$nj"
  done
  case $task in
    st) run speecht5 vocab build data/train "data/vocab_$lang" --field "text.$lang" --kind char ;;
    tts) run speecht5 speakers embed exp/xvector data/digits_train data/digits_dev data/digits_test ;;
    vc) run speecht5 speakers embed exp/xvector data/vc_train data/vc_dev data/vc_test --of target ;;
    se) run speecht5 speakers embed exp/xvector data/se_train data/se_dev data/se_test --of source ;;
  esac
fi

if stage 3 units; then
  needs dump/mfcc/pretrain 2
  if [ "$iter" = 1 ]; then
    run speecht5 units fit dump/mfcc/pretrain "${more_speech[@]/#data/dump/mfcc}" exp/units --clusters 50 --restarts 1
    run speecht5 units report exp/units dump/mfcc/pretrain_dev
    for set in "${unlabelled[@]}"; do run speecht5 units label exp/units "dump/mfcc/$(basename "$set")" "$set"; done
  else
    layer=(--kind layer --model exp/pretrain --layer 3) # computed on the way: nothing of it goes to the disk
    run speecht5 units fit data/pretrain "${more_speech[@]}" exp/units_it2 --clusters 50 --restarts 1 "${layer[@]}"
    run speecht5 units report exp/units_it2 data/pretrain_dev "${layer[@]}"
    for set in "${unlabelled[@]}"; do run speecht5 units label exp/units_it2 "$set" --name units_it2 "${layer[@]}"; done
  fi
fi

if stage 4 pretrain; then
  needs "data/pretrain/$units" 3
  run speecht5 pretrain conf/pretrain.yaml "${variant[@]}" --exp "$pretrain" --ngpu "$ngpu" \
    "pretrain.units=$units" "${more_sets[@]}"
fi

if stage 5 finetune; then
  needs "$pretrain/model" 4
  run speecht5 finetune --task "$task" "conf/$task.yaml" "${variant[@]}" --exp "$finetuned" --init "$pretrain" \
    --ngpu "$ngpu" "${settings[@]}"
fi

if stage 6 decode; then
  needs "$finetuned/model" 5
  run speecht5 decode --task "$task" --model "$finetuned"
fi

# What is spoken is read by the recogniser of this recipe, and its voice is measured: files for the next stage.
if stage 6 decode && has exp/asr/model "no words are scored: ./run.sh --task asr trains the recogniser that reads them"; then
  heard=$finetuned/decode
  case $task in
    tts)
      run speecht5 speakers embed exp/xvector "$heard/digits_test"
      run speecht5 vocoder apply griffin-lim data/digits_test dump/copied/digits_test
      run speecht5 decode --task asr --model exp/asr --data "$heard/digits_test" --out "$heard/digits_test/asr"
      run speecht5 decode --task asr --model exp/asr --data dump/copied/digits_test --out "$heard/digits_test/asr_copied"
      ;;
    vc)
      run speecht5 speakers embed exp/xvector "$heard/vc_test"
      run speecht5 decode --task asr --model exp/asr --data "$heard/vc_test" --out "$heard/vc_test/asr"
      run speecht5 decode --task asr --model exp/asr --data data/vc_test --out "$heard/vc_test/asr_source"
      ;;
    se)
      run speecht5 speakers embed exp/xvector "$heard/se_test"
      run speecht5 decode --task asr --model exp/asr --data "$heard/se_test" --out "$heard/se_test/asr"
      run speecht5 decode --task asr --model exp/asr --data data/se_test --out "$heard/se_test/asr_noisy"
      ;;
  esac
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
