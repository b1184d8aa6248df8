#!/usr/bin/env bash
# mini: synthetic sentences in twenty voices, made on the spot; all tasks on a laptop.
# --task asr (default), st, tts, vc, se, sid or lm. --lang de or fr: what st translates into.
# --judge MODEL: the recogniser that reads what tts, vc and se speak. --sizes 'n_train=300 n_text=5000': another number
# of sentences (`speecht5 prepare mini corpus data help` lists the names). See README.md.
options=(corpus lang sizes judge speaker_net vocoder) path_options=(corpus judge speaker_net vocoder)
task=asr corpus=corpus lang=de sizes='' judge=exp/asr speaker_net='' vocoder=griffin-lim
. "$(dirname "$0")/../common/recipe.sh"

takes asr st tts vc se sid lm
first=$(named pretrain) # in a second iteration the first one gives the units
pretrains_to "$first$it"
xvector=$(named xvector)
speaks_with "$xvector"
if [ "$task" = lm ]; then from_nothing; fi
finetuned=exp/$task$suffix$it units=units$it settings=()
if [ "$init" = none ]; then settings=("model.size=$(size_or_tiny)"); fi
if [ "$task" = st ]; then
  finetuned=exp/st_$lang$suffix$it settings+=("st.language=$lang" "st.vocabulary=data/vocab_$lang")
  # Where words move, so little speech does not teach a decoder to listen: translation goes on where recognition ended.
  goes_on_from "exp/asr$suffix$it"
fi

if stage 1 data; then
  read -ra words <<<"$sizes"
  run speecht5 prepare mini "$corpus" data --nj "$nj" "${words[@]}"
fi

if stage 2 features; then
  needs data/pretrain 1
  run speecht5 vocab build data/text/train.txt data/vocab --kind char
  if [ "$speaker_net" = "$xvector" ]; then
    run speecht5 speakers fit data/pretrain "$xvector" conf/xvector.yaml "${variant[@]}"
  fi
  bring_speaker_net
  if pretrains; then
    run speecht5 speakers embed "$speaker_net" data/pretrain data/pretrain_dev
    run speecht5 features data/pretrain dump/mfcc/pretrain --kind mfcc --nj "$nj"
    run speecht5 features data/pretrain_dev dump/mfcc/pretrain_dev --kind mfcc --nj "$nj"
  fi
  case $task in
    st) run speecht5 vocab build data/train "data/vocab_$lang" --field "text.$lang" --kind char ;;
    tts) run speecht5 speakers embed "$speaker_net" data/train data/dev data/test_seen ;;
    vc) run speecht5 speakers embed "$speaker_net" data/vc_train data/vc_dev data/vc_test --of target ;;
    se) run speecht5 speakers embed "$speaker_net" data/se_train data/se_dev data/se_test --of source ;;
  esac
fi

if pretrains && stage 3 units; then
  needs dump/mfcc/pretrain 2
  if [ "$iter" = 1 ]; then
    run speecht5 units fit dump/mfcc/pretrain exp/units --clusters 50 --restarts 1
    run speecht5 units report exp/units dump/mfcc/pretrain_dev
    run speecht5 units label exp/units dump/mfcc/pretrain data/pretrain
    run speecht5 units label exp/units dump/mfcc/pretrain_dev data/pretrain_dev
  else
    needs "$first/model" 4
    layer=(--kind layer --model "$first" --layer 3) # computed on the way: nothing of it goes to the disk
    run speecht5 units fit data/pretrain exp/units_it2 --clusters 100 --restarts 1 "${layer[@]}"
    run speecht5 units report exp/units_it2 data/pretrain_dev "${layer[@]}"
    run speecht5 units label exp/units_it2 data/pretrain --name units_it2 "${layer[@]}"
    run speecht5 units label exp/units_it2 data/pretrain_dev --name units_it2 "${layer[@]}"
  fi
fi

if stage 4 pretrain; then
  if pretrains; then
    needs "data/pretrain/$units" 3
    run speecht5 pretrain conf/pretrain.yaml "${variant[@]}" --exp "$pretrained" --ngpu "$ngpu" "pretrain.units=$units"
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
      run speecht5 vocoder apply "$vocoder" data/test_seen dump/copied/test_seen
      hear "$finetuned/decode/test_seen" dump/copied/test_seen copied
      ;;
    vc) hear "$finetuned/decode/vc_test" data/vc_test source ;;
    se) hear "$finetuned/decode/se_test" data/se_test noisy ;;
  esac
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
