#!/usr/bin/env bash
# mini: synthetic sentences in twenty voices, made on the spot; all tasks on a laptop.
# --task asr (default), st, tts, vc, se, sid or lm. --lang de or fr: what st translates into. See README.md.
options=(corpus lang) path_options=(corpus)
corpus=corpus lang=de
. "$(dirname "$0")/../common/recipe.sh"

pretrain=exp/pretrain$suffix finetuned=exp/$task$suffix units=units judge=exp/asr settings=()
if [ "$task" = st ]; then finetuned=exp/st_$lang$suffix settings=("st.language=$lang" "st.vocabulary=data/vocab_$lang"); fi
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
  case $task in
    st) run speecht5 vocab build data/train "data/vocab_$lang" --field "text.$lang" --kind char ;;
    tts) run speecht5 speakers embed exp/xvector data/train data/dev data/test_seen ;;
    vc) run speecht5 speakers embed exp/xvector data/vc_train data/vc_dev data/vc_test --of target ;;
    se) run speecht5 speakers embed exp/xvector data/se_train data/se_dev data/se_test --of source ;;
  esac
fi

if stage 3 units; then
  needs dump/mfcc/pretrain 2
  if [ "$iter" = 1 ]; then
    run speecht5 units fit dump/mfcc/pretrain exp/units --clusters 50 --restarts 1
    run speecht5 units report exp/units dump/mfcc/pretrain_dev
    run speecht5 units label exp/units dump/mfcc/pretrain data/pretrain
    run speecht5 units label exp/units dump/mfcc/pretrain_dev data/pretrain_dev
  else
    layer=(--kind layer --model exp/pretrain --layer 3) # computed on the way: nothing of it goes to the disk
    run speecht5 units fit data/pretrain exp/units_it2 --clusters 100 --restarts 1 "${layer[@]}"
    run speecht5 units report exp/units_it2 data/pretrain_dev "${layer[@]}"
    run speecht5 units label exp/units_it2 data/pretrain --name units_it2 "${layer[@]}"
    run speecht5 units label exp/units_it2 data/pretrain_dev --name units_it2 "${layer[@]}"
  fi
fi

if stage 4 pretrain; then
  needs "data/pretrain/$units" 3
  run speecht5 pretrain conf/pretrain.yaml "${variant[@]}" --exp "$pretrain" --ngpu "$ngpu" "pretrain.units=$units"
fi

if stage 5 finetune; then
  needs "$pretrain/model" 4
  if [ "$task" = lm ]; then pretrain=none; fi
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
      run speecht5 speakers embed exp/xvector "$heard/test_seen"
      run speecht5 vocoder apply griffin-lim data/test_seen dump/copied/test_seen
      run speecht5 decode --task asr --model exp/asr --data "$heard/test_seen" --out "$heard/test_seen/asr"
      run speecht5 decode --task asr --model exp/asr --data dump/copied/test_seen --out "$heard/test_seen/asr_copied"
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
