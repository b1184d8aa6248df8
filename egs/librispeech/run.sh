#!/usr/bin/env bash
# librispeech: pre-training on 960 h of speech and the text for language models; recognition from 100 h or 960 h.
# --task asr (default), or lm: a language model, which the search of asr uses once it is there (or --lm MODEL).
# --config conf/960h.yaml: recognition from 960 h. conf/paper.yaml, conf/no_text.yaml, ...: as in the paper; ablations.
# --corpus DIR: LibriSpeech unpacked, --lm-text FILE: librispeech-lm-norm.txt.gz (stage 0 fetches both).
# --hubert DIR: a HuBERT of Hugging Face, whose sixth layer gives the units, as in the paper. --init with the same folder
# is the paper's baseline: recognition from HuBERT's encoder and a decoder from nothing. See README.md.
options=(corpus lm_text hubert lm) path_options=(corpus lm_text hubert lm)
task=asr corpus=downloads/LibriSpeech lm_text=downloads/librispeech-lm-norm.txt.gz hubert='' lm=''
. "$(dirname "$0")/../common/recipe.sh"

takes asr lm
first=$(named pretrain) # in a second iteration the first one gives the units
if [ -n "$hubert" ]; then
  [ "$iter" = 1 ] || die "--hubert and --iter 2 both say where units come from; give one of them"
  it=_hubert
fi
pretrains_to "$first$it"
vocabulary=data/vocab # a model that is brought along has its own, unless it knows no text
if [ -n "$init" ] && [ "$init" != none ] && ! is_hubert "$init"; then vocabulary=$initial; fi
if [ "$task" = lm ]; then from_nothing; fi
finetuned=exp/$task$suffix$it units=units$it xvector=$(named xvector)
speech=(train_clean_100 train_clean_360 train_other_500 dev_clean dev_other)
if [ -z "$lm" ]; then lm=exp/lm$suffix; [ -e "$lm" ] || lm=$(named lm); fi
# What the units are clusters of: MFCCs; with --hubert or in the second iteration, the sixth layer of an encoder.
features=dump/mfcc clusters=100 kind=(--kind mfcc --nj "$nj")
if [ -n "$hubert" ]; then features=dump/hubert clusters=500 kind=(--kind layer --model exp/hubert --layer 6); fi
if [ "$iter" = 2 ]; then
  features=dump/layer6${first#exp/pretrain} clusters=500 kind=(--kind layer --model "$first" --layer 6)
fi

if stage 0 download; then
  openslr=https://www.openslr.org/resources
  if [ "$corpus" = downloads/LibriSpeech ]; then
    download $openslr/12/train-clean-100.tar.gz sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2
    download $openslr/12/train-clean-360.tar.gz sha256:146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf
    download $openslr/12/train-other-500.tar.gz sha256:ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2
    download $openslr/12/dev-clean.tar.gz sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3
    download $openslr/12/dev-other.tar.gz sha256:12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365
    download $openslr/12/test-clean.tar.gz sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23
    download $openslr/12/test-other.tar.gz sha256:d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29
  fi
  if [ "$lm_text" = downloads/librispeech-lm-norm.txt.gz ]; then
    download $openslr/11/librispeech-lm-norm.txt.gz bytes:1507274412
  fi
fi

if stage 1 data; then
  needs "$corpus" 0
  run speecht5 prepare librispeech "$corpus" data --nj "$nj"
  if [ "$vocabulary" = data/vocab ] || [ "$task" = lm ]; then
    needs "$lm_text" 0
    run speecht5 prepare librispeech_lm "$lm_text" data
  fi
fi

if stage 2 features; then
  needs data/train_clean_100 1
  if [ "$vocabulary" = data/vocab ]; then
    needs data/text/train.txt 1
    run speecht5 vocab build data/text/train.txt data/vocab --kind char
  fi
  if pretrains; then
    run speecht5 speakers fit data/train_clean_100 data/train_clean_360 "$xvector" conf/xvector.yaml "${variant[@]}"
    run speecht5 speakers embed "$xvector" "${speech[@]/#/data/}"
    if [ -n "$hubert" ]; then run speecht5 checkpoint import "$hubert" exp/hubert --from hf; fi
    if [ "$iter" = 2 ]; then needs "$first/model" 4; fi
    for set in "${speech[@]}"; do run speecht5 features "data/$set" "$features/$set" "${kind[@]}"; done
  fi
fi

if pretrains && stage 3 units; then
  needs data/train_clean_100 1
  needs "$features/dev_other" 2
  run speecht5 units fit "$features"/train_{clean_100,clean_360,other_500} "exp/$units" \
    --clusters $clusters --percent 10
  run speecht5 units report "exp/$units" "$features/dev_clean"
  for set in "${speech[@]}"; do run speecht5 units label "exp/$units" "$features/$set" "data/$set" --name "$units"; done
fi

if stage 4 pretrain; then
  if pretrains; then
    needs "data/dev_other/$units" 3
    run speecht5 pretrain conf/pretrain.yaml "${variant[@]}" --exp "$pretrained" --ngpu "$ngpu" "pretrain.units=$units"
  else
    bring_initial
  fi
fi

if stage 5 finetune; then
  needs_initial
  run speecht5 finetune --task "$task" "conf/$task.yaml" "${variant[@]}" --exp "$finetuned" --init "$initial" \
    --ngpu "$ngpu" "$task.vocabulary=$vocabulary"
fi

if stage 6 decode; then
  needs "$finetuned/model" 5
  run speecht5 decode --task asr --model "$finetuned"
  if has "$lm" "no search with a language model; --task lm trains one, --lm names another one"; then
    for set in dev_clean dev_other test_clean test_other; do
      run speecht5 decode --task asr --model "$finetuned" --data "data/$set" --out "$finetuned/decode/${set}_lm" \
        "lm=$lm" lm_weight=0.7 ctc_weight=0.3 beam=30
    done
  fi
fi

if stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
