#!/usr/bin/env bash
# fsdd: the Free Spoken Digit Dataset, real speech of six people: single digits, and strings of them.
# --corpus DIR: its recordings (stage 0 clones them). --extra-speech DIR: read speech to pre-train on, too.
# --task asr (default), st, tts, vc, se or sid. --lang de or fr: what st translates into.
# --judge MODEL: the recogniser that reads what tts, vc and se speak. --sizes 'n_strings_train=300': another number of
# strings and pairs (`speecht5 prepare fsdd` has the names). See README.md.
options=(corpus extra_speech lang sizes judge speaker_net vocoder)
path_options=(corpus extra_speech judge speaker_net vocoder)
task=asr corpus=downloads/free-spoken-digit-dataset/recordings extra_speech='' lang=de sizes=''
judge=exp/asr speaker_net='' vocoder=griffin-lim
. "$(dirname "$0")/../common/recipe.sh"

takes asr st tts vc se sid
first=$(named pretrain) # in a second iteration the first one gives the units
if [ -n "$extra_speech" ]; then suffix=_extra$suffix first=${first}_extra; fi
pretrains_to "$first$it"
xvector=$(named xvector)
speaks_with "$xvector"
finetuned=exp/$task$suffix$it units=units${extra_speech:+_extra}$it settings=() extra=() more_speech=() more_sets=()
if [ "$init" = none ]; then settings=("model.size=$(size_or_tiny)"); fi
if [ "$task" = st ]; then
  finetuned=exp/st_$lang$suffix$it settings+=("st.language=$lang" "st.vocabulary=data/vocab_$lang")
  # Where words move, so little speech does not teach a decoder to listen: translation goes on where recognition ended.
  goes_on_from "exp/asr$suffix$it"
fi
if [ -n "$extra_speech" ]; then
  extra=("extra_speech=$extra_speech") more_speech=(data/pretrain_extra)
  more_sets=(data.train='[data/pretrain, data/pretrain_extra]')
fi
unlabelled=(data/pretrain data/pretrain_dev "${more_speech[@]}")

if stage 0 download; then
  repository=https://github.com/Jakobovski/free-spoken-digit-dataset.git
  if [ ! -d "$corpus" ]; then run git clone --depth 1 "$repository" downloads/free-spoken-digit-dataset; fi
fi

if stage 1 data; then
  needs "$corpus" 0
  read -ra words <<<"$sizes"
  run speecht5 prepare fsdd "$corpus" data --nj "$nj" "${extra[@]}" "${words[@]}"
fi

if stage 2 features; then
  needs data/pretrain 1
  run speecht5 vocab build data/text/train.txt data/vocab --kind char
  if [ "$speaker_net" = "$xvector" ]; then
    run speecht5 speakers fit data/digits_train "$xvector" conf/xvector.yaml "${variant[@]}"
  fi
  bring_speaker_net
  if pretrains; then
    run speecht5 speakers embed "$speaker_net" "${unlabelled[@]}"
    for set in "${unlabelled[@]}"; do
      run speecht5 features "$set" "dump/mfcc/$(basename "$set")" --kind mfcc --nj "$nj"
    done
  fi
  case $task in
    st) run speecht5 vocab build data/train "data/vocab_$lang" --field "text.$lang" --kind char ;;
    tts) run speecht5 speakers embed "$speaker_net" data/digits_train data/digits_dev data/digits_test ;;
    vc) run speecht5 speakers embed "$speaker_net" data/vc_train data/vc_dev data/vc_test --of target ;;
    se) run speecht5 speakers embed "$speaker_net" data/se_train data/se_dev data/se_test --of source ;;
  esac
fi

if pretrains && stage 3 units; then
  needs dump/mfcc/pretrain 2
  if [ "$iter" = 1 ]; then
    run speecht5 units fit dump/mfcc/pretrain "${more_speech[@]/#data/dump/mfcc}" "exp/$units" --clusters 50 --restarts 1
    run speecht5 units report "exp/$units" dump/mfcc/pretrain_dev
    for set in "${unlabelled[@]}"; do
      run speecht5 units label "exp/$units" "dump/mfcc/$(basename "$set")" "$set" --name "$units"
    done
  else
    needs "$first/model" 4
    layer=(--kind layer --model "$first" --layer 3) # computed on the way: nothing of it goes to the disk
    run speecht5 units fit data/pretrain "${more_speech[@]}" "exp/$units" --clusters 50 --restarts 1 "${layer[@]}"
    run speecht5 units report "exp/$units" data/pretrain_dev "${layer[@]}"
    for set in "${unlabelled[@]}"; do run speecht5 units label "exp/$units" "$set" --name "$units" "${layer[@]}"; done
  fi
fi

if stage 4 pretrain; then
  if pretrains; then
    needs "data/pretrain/$units" 3
    run speecht5 pretrain conf/pretrain.yaml "${variant[@]}" --exp "$pretrained" --ngpu "$ngpu" \
      "pretrain.units=$units" "${more_sets[@]}"
  else
    bring_initial
  fi
fi

if stage 5 finetune; then
  needs_initial
  run speecht5 finetune --task "$task" "conf/$task.yaml" "${variant[@]}" --exp "$finetuned" --init "$initial" \
    --ngpu "$ngpu" "${settings[@]}"
fi

if stage 6 decode; then
  needs "$finetuned/model" 5
  decodes "$finetuned"
  case $task in
    tts)
      run speecht5 vocoder apply "$vocoder" data/digits_test dump/copied/digits_test
      hear "$finetuned/decode/digits_test" dump/copied/digits_test copied
      ;;
    vc) hear "$finetuned/decode/vc_test" data/vc_test source ;;
    se) hear "$finetuned/decode/se_test" data/se_test noisy ;;
  esac
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
