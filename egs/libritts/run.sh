#!/usr/bin/env bash
# libritts: speech from text in many voices (train-clean-100 and train-clean-360, 245 h), and a vocoder.
# --task tts (default), or vocoder: a HiFi-GAN, for --vocoder exp/vocoder in this recipe and in others.
# --corpus DIR: LibriTTS unpacked (stage 0 fetches it). --init MODEL: by default the one of ../librispeech.
# --judge MODEL: the recogniser that reads what is spoken, --speaker-net NET: what makes voices of it. See README.md.
options=(corpus judge speaker_net vocoder) path_options=(corpus judge speaker_net vocoder)
task=tts corpus=downloads/LibriTTS judge=../librispeech/exp/asr speaker_net='' vocoder=griffin-lim
. "$(dirname "$0")/../common/recipe.sh"

takes tts vocoder
starts_from ../librispeech/exp/pretrain
speaks_with ../librispeech/exp/xvector
finetuned=exp/$task$suffix vocabulary=data/vocab$suffix train=(data/train_clean_100 data/train_clean_360)

if [ "$corpus" = downloads/LibriTTS ] && stage 0 download; then
  openslr=https://www.openslr.org/resources
  download $openslr/60/train-clean-100.tar.gz sha256:c5608bf1ef74bb621935382b8399c5cdd51cd3ee47cec51f00f885a64c6c7f6b
  download $openslr/60/train-clean-360.tar.gz sha256:ce7cff44dcac46009d18379f37ef36551123a1dc4e5c8e4eb73ae57260de4886
  download $openslr/60/dev-clean.tar.gz sha256:da0864e1bd26debed35da8a869dd5c04dfc27682921936de7cff9c8a254dbe1a
  download $openslr/60/test-clean.tar.gz sha256:234ea5b25859102a87024a4b9b86641f5b5aaaf1197335c95090cde04fe9a4f5
fi

if stage 1 data; then
  needs "$corpus" 0
  run speecht5 prepare libritts "$corpus" data --parts train-clean-100,train-clean-360,dev-clean,test-clean --nj "$nj"
fi

if [ "$task" = tts ] && stage 2 features; then
  needs data/train_clean_100 1
  bring_speaker_net
  run speecht5 speakers embed "$speaker_net" "${train[@]}" data/dev_clean data/test_clean
fi

if [ "$task" = tts ] && stage 4 pretrain; then
  bring_initial
  needs data/train_clean_100 1
  if [ "$initial" = none ]; then run speecht5 vocab build "${train[@]}" "$vocabulary" --kind char
  else run speecht5 vocab extend "$initial" "$vocabulary" "${train[@]}"; fi
fi

if stage 5 finetune; then
  if [ "$task" = vocoder ]; then
    needs data/train_clean_100 1
    run speecht5 vocoder train "${train[@]}" conf/vocoder.yaml "${variant[@]}" --exp exp/vocoder$suffix
  else
    needs_initial
    needs "$vocabulary" 4
    run speecht5 finetune --task tts conf/tts.yaml "${variant[@]}" --exp "$finetuned" --init "$initial" --ngpu "$ngpu" \
      "tts.vocabulary=$vocabulary"
  fi
fi

if [ "$task" = tts ] && stage 6 decode; then
  needs "$finetuned/model" 5
  run speecht5 decode --task tts --model "$finetuned" --vocoder "$vocoder"
  run speecht5 vocoder apply "$vocoder" data/test_clean dump/copied/test_clean
  hear "$finetuned/decode/test_clean" dump/copied/test_clean copied
fi

if [ "$task" = tts ] && stage 7 score; then
  needs "$finetuned/decode" 6
  run speecht5 score
fi
