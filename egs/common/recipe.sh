# What all run.sh share: options, the environment, stages. Sourced; knows no corpus and no task.
#
#   . ../common/recipe.sh        after the recipe has set its own options as variables, listed in `options`
#   takes asr lm                 the tasks that --task may name
#   pretrains_to exp/pretrain    sets `pretrained`, the recipe's own model, and `initial`, where fine-tuning starts: it,
#                                or --init
#   goes_on_from exp/asr         the same for a task that starts from the recogniser
#   starts_from ../x/exp/pretrain   the same for a recipe that does not pre-train
#   if stage 3 units; then       true when the stage is wanted
#     needs data/train 1         stop, naming the stage that makes it, when something is missing
#     run speecht5 ...           show the command and run it
#     has exp/asr "..."          false, saying why it matters, when something is missing
#
# Experiments of a task are called exp/TASK$suffix$it: suffix names variant and initial model, `it` the iteration.

set -eo pipefail
# Before bash 4.4, which macOS has, an empty list would count as unset.
[ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -lt 44 ] || set -u

user_dir=$PWD
cd "$(dirname "${BASH_SOURCE[1]}")"
script=$PWD/$(basename "${BASH_SOURCE[1]}")
me=$(basename "$PWD")/$(basename "${BASH_SOURCE[1]}")

stage_names=(download data features units pretrain finetune decode score)
asked='' # options, without those of stages
stage=0 stop_stage=7 nj=$(nproc 2>/dev/null || echo 2) ngpu=1 iter=1 config='' init='' vocab=''
force=false dry_run=false
shared=(stage stop_stage task nj ngpu iter config init vocab force dry_run)
flags=(force dry_run)
paths=(config init vocab "${path_options[@]-}")

die() { echo "$me: $1" >&2; exit "${2:-2}"; }

usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script"
  echo
  echo "options: --stage N --stop-stage N (0-7, or ${stage_names[*]})"
  echo "         --task T  --nj N  --ngpu N  --iter 1|2  --config FILE  --force  --dry-run"
  echo "         --init MODEL (to start from: ours, fairseq's .pt, a Hugging Face folder, or none)  --vocab PATH (its)"
  if [ ${#options[@]} -gt 0 ]; then printf '        '; printf ' --%s' "${options[@]//_/-}"; echo; fi
  exit 0
}

stage_number() {
  local i
  for i in "${!stage_names[@]}"; do
    if [ "$1" = "$i" ] || [ "$1" = "${stage_names[i]}" ]; then echo "$i"; return; fi
  done
  die "no stage '$1'; stages are 0 to 7, or ${stage_names[*]}"
}

# A path that the user gives is meant from the user's folder, else from the recipe's. Two words are no paths.
from_user() {
  case $1 in
    /* | '' | none | griffin-lim) echo "$1" ;;
    *)
      if [ "$user_dir" = "$PWD" ]; then echo "$1"
      elif [ -e "$user_dir/$1" ] || [ ! -e "$1" ]; then echo "$user_dir/$1"
      else echo "$1"; fi
      ;;
  esac
}

is_one_of() { local word=$1; shift; case " $* " in *" $word "*) return 0 ;; *) return 1 ;; esac; }

parse() {
  local name value
  while [ $# -gt 0 ]; do
    case $1 in -h | --help) usage ;; --*) ;; *) die "unexpected word '$1'; options start with --" ;; esac
    name=${1%%=*} value=
    name=${name#--} name=${name//-/_}
    is_one_of "$name" "${shared[@]}" "${options[@]-}" || die "unknown option --${name//_/-} (see --help)"
    if [ "$1" != "${1#*=}" ]; then value=${1#*=}
    elif is_one_of "$name" "${flags[@]}"; then value=true
    else
      [ $# -gt 1 ] || die "--${name//_/-} needs a value"
      shift; value=$1
    fi
    if ! is_one_of "$name" stage stop_stage; then
      asked+="${asked:+ }--${name//_/-}"
      if ! is_one_of "$name" "${flags[@]}"; then asked+=" $(printf '%q' "$value")"; fi
    fi
    if is_one_of "$name" "${paths[@]}"; then value=$(from_user "$value"); fi
    printf -v "$name" '%s' "$value"
    shift
  done
  stage=$(stage_number "$stage") # two lines: of several assignments only the last one's failure would count
  stop_stage=$(stage_number "$stop_stage")
  [ "$stage" -le "$stop_stage" ] || die "--stage $stage lies behind --stop-stage $stop_stage: there is nothing to do"
  is_one_of "$iter" 1 2 || die "--iter $iter: there are iterations 1 and 2"
}

# again N: this command for stage N alone, with the options that were given.
again() { echo "$0${asked:+ $asked} --stage $1 --stop-stage $1"; }

find_speecht5() {
  command -v speecht5 >/dev/null && return
  ../../tools/setup.sh
  PATH=$(cd ../../tools/venv/bin && pwd):$PATH
}

stage() {
  [ "$stage" -le "$1" ] && [ "$1" -le "$stop_stage" ] || return 1
  [ "${announced=}" = "$1" ] || echo "== stage $1: $2"
  announced=$1
}

needs() {
  if [ "$dry_run" = true ] || [ -e "$1" ]; then return; fi
  [ "$2" != 0 ] || die "$1 is missing; stage 0 (download) gets it or says how, and options name other places (--help)" 3
  die "$1 is missing; stage $2 (${stage_names[$2]}) makes it: $(again "$2")" 3
}

has() {
  [ "$dry_run" = true ] || [ -e "$1" ] || { echo "$me: $1 is missing: $2"; return 1; }
}

run() {
  printf '$'; printf ' %q' "$@"; echo
  if [ "$dry_run" != true ]; then "$@"; fi
}

takes() { local all=$*; is_one_of "$task" "$@" || die "--task $task: this recipe knows ${all// /, }"; }

# named NAME: exp/NAME, or exp/NAME_small where the variant conf/small.yaml has a block NAME.
named() { if [ -n "$config" ] && grep -q "^$1:" "$config"; then echo "exp/$1$suffix"; else echo "exp/$1"; fi; }

# size_or_tiny: of a model from nothing, the size that the variant names for its pre-trained one.
size_or_tiny() {
  local size=''
  if [ -n "$config" ]; then size=$(sed -n '/^pretrain:/,/^[a-z]/{/^pretrain:/!{/^[a-z]/d;};s/.*[ {]size: *\([a-z]*\).*/\1/p;}' "$config"); fi
  echo "${size:-tiny}"
}

# --- downloads ---

# download URL [CHECK]: to downloads/, going on where it was cut off; compared with CHECK, its publisher's sha256:...,
# md5:... or size bytes:... (none: the archive's own checksums); unpacked there if it is an archive. Once.
download() {
  local file=downloads/${1##*/} check=${2:-own}
  if [ "$dry_run" != true ]; then
    if [ -e "$file.done" ]; then return; fi
    mkdir -p downloads
  fi
  if ! intact "$file" "$check"; then run curl --fail --location --continue-at - --output "$file" "$1"; fi
  echo "  check: $check"
  [ "$dry_run" = true ] || intact "$file" "$check" || die "$file is damaged ($check); remove it, and start again" 3
  case $file in
    *.tar.*) run tar -xf "$file" -C downloads ;;
    *.zip) run unzip -q -o "$file" -d downloads ;;
  esac
  if [ "$dry_run" != true ]; then touch "$file.done"; fi
}

intact() {
  [ -f "$1" ] && case $2 in
    bytes:*) [ "$(wc -c <"$1")" -eq "${2#*:}" ] ;;
    own) case $1 in *.zip) unzip -tqq "$1" >/dev/null 2>&1 ;; *.gz) gzip -t "$1" 2>/dev/null ;; *) true ;; esac ;;
    *) echo "${2#*:}  $1" | "${2%%:*}sum" --check --status ;;
  esac
}

# by_hand PATH LINE...: how to get what may not be downloaded for others, unless it is there.
by_hand() {
  if [ "$dry_run" = true ] || [ ! -e "$1" ]; then printf '%s\n' "$1 has to be fetched by hand:" "${@:2}"; fi
}

# --- the model that fine-tuning starts from ---

pretrains_to() {
  initial=$1 pretrained=$1 pretraining=true wanted=$1/model
  hint="stage 4 (pretrain) makes it: $(again 4)"
  use_init
}
# goes_on_from exp/asr: after pretrains_to, for a task that starts from recognition instead, unless --init is given.
goes_on_from() {
  if [ -z "$init" ]; then initial=$1 wanted=$1/model hint="the same command with --task asr makes it"; fi
}
starts_from() {
  [ "$iter" = 1 ] || die "--iter $iter: this recipe does not pre-train; --init takes the model of a second iteration"
  initial=$1 pretraining=false wanted=$1/model
  hint="${1%%/exp/*}/run.sh makes it, or give another one with --init"
  use_init
}
pretrains() { [ "$pretraining" = true ]; }

# For a task whose model starts from nothing, and decodes nothing by itself.
from_nothing() { initial=none pretraining=false it='' stop_stage=$((stop_stage < 5 ? stop_stage : 5)); }

# --init MODEL takes the place of `initial`. A model of another toolkit becomes one of ours in stage 4.
use_init() {
  toolkit= imported=
  if [ -z "$init" ]; then return; fi
  [ "$iter" = 1 ] || die "--iter 2 pre-trains once more, and --init is there in place of pre-training; give one of them"
  local name
  name=$(basename "${init%/}")
  pretraining=false initial=$init wanted=$init hint="give --init a model that is there"
  if [ "$init" = none ]; then suffix=${suffix}_scratch; return; fi
  if [ "${init%.pt}" != "$init" ]; then toolkit=fairseq name=${name%.pt}
  elif [ -f "$init/config.json" ]; then toolkit=hf; fi
  suffix=${suffix}_from_$name
  if [ -n "$toolkit" ]; then
    imported=exp/init_$name initial=$imported wanted=$imported hint="stage 4 makes it of $init"
  fi
}

# is_hubert FOLDER: Hugging Face's or ours; an encoder alone, which has no vocabulary.
is_hubert() { grep -qsE '"model_type": *"hubert"|^kind: hubert' "$1/config.json" "$1/config.yaml"; }

bring_initial() {
  if [ -n "$toolkit" ]; then
    run speecht5 checkpoint import "$init" "$imported" --from "$toolkit" ${vocab:+--vocab "$vocab"}
  else
    needs_initial
    echo "starts from ${initial/#none/nothing}"
  fi
}

needs_initial() {
  [ "$dry_run" = true ] || [ "$initial" = none ] || [ -e "$wanted" ] || die "$wanted is missing; $hint" 3
}

# --- the voices that speak, and who listens ---

# speaks_with NET: sets `speaker_net`, which is --speaker-net where it is given. SpeechBrain's becomes ours in stage 2.
speaks_with() {
  brain= net_hint="stage 2 of ${1%%/exp/*}/run.sh makes it, or give another one with --speaker-net"
  if [ -n "$speaker_net" ]; then net_hint="give --speaker-net a net that is there"; fi
  speaker_net=${speaker_net:-$1}
  if [ -e "$speaker_net/embedding_model.ckpt" ]; then brain=$speaker_net speaker_net=exp/xvector_speechbrain; fi
}

bring_speaker_net() {
  if [ -n "$brain" ]; then run speecht5 speakers import "$brain" "$speaker_net"; fi
  [ "$dry_run" = true ] || [ -e "$speaker_net" ] ||
    die "$speaker_net is missing, the net of speaker vectors; $net_hint" 3
}

# decodes MODEL: the test sets of the task, spoken by --vocoder where it is one that speaks.
decodes() {
  local spoken=()
  case $task in tts | vc | se) spoken=(--vocoder "$vocoder") ;; esac
  run speecht5 decode --task "$task" --model "$1" "${spoken[@]}"
}

# hear FOLDER [DATADIR NAME]: what was spoken is read by the recogniser, and its voice measured: files for the next
# stage. The same utterances in DATADIR are read for comparison, into asr_NAME.
hear() {
  run speecht5 speakers embed "$speaker_net" "$1"
  has "$judge" "no words are scored; --judge names a recogniser that reads them" || return 0
  run speecht5 decode --task asr --model "$judge" --data "$1" --out "$1/asr"
  if [ $# -gt 1 ]; then run speecht5 decode --task asr --model "$judge" --data "$2" --out "$1/asr_$3"; fi
}

parse "$@"
if [ "$force" = true ]; then export SPEECHT5_FORCE=1; fi
# A variant of the settings (--config conf/small.yaml) has experiments of its own: exp/asr_small.
variant=() suffix= it=
if [ -n "$config" ]; then
  [ -f "$config" ] || die "--config $config: no such file"
  variant=(--variant "$config") suffix=_$(basename "$config" .yaml)
fi
if [ "$iter" = 2 ]; then it=_it2; fi
if [ "$dry_run" != true ]; then find_speecht5; fi
