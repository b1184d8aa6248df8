# What all run.sh share: options, the environment, stages. Sourced; knows no corpus and no task.
#
#   . ../common/recipe.sh        after the recipe has set its own options as variables, listed in `options`
#   if stage 3 units; then       true when the stage is wanted
#     needs data/train 1         stop, naming the stage that makes it, when something is missing
#     run speecht5 ...           show the command and run it
#     has exp/asr "..."          false, saying why it matters, when something is missing

set -euo pipefail

user_dir=$PWD
cd "$(dirname "${BASH_SOURCE[1]}")"
script=$PWD/$(basename "${BASH_SOURCE[1]}")
me=$(basename "$PWD")/$(basename "${BASH_SOURCE[1]}")

stage_names=(download data features units pretrain finetune decode score)
stage=0 stop_stage=7 task=asr nj=$(nproc 2>/dev/null || echo 2) ngpu=1 iter=1 config='' force=false dry_run=false
flags=(force dry_run)
paths=(config "${path_options[@]-}")

die() { echo "$me: $1" >&2; exit "${2:-2}"; }

usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script"
  echo
  echo "options: --stage N --stop-stage N (0-7, or ${stage_names[*]})"
  echo "         --task T  --nj N  --ngpu N  --iter 1|2  --config FILE  --force  --dry-run"
  echo "         ${options[*]/#/--}"
  exit 0
}

stage_number() {
  local i
  for i in "${!stage_names[@]}"; do
    if [ "$1" = "$i" ] || [ "$1" = "${stage_names[i]}" ]; then echo "$i"; return; fi
  done
  die "no stage '$1'; stages are 0 to 7, or ${stage_names[*]}"
}

# A path that the user gives is meant from the user's folder, else from the recipe's.
from_user() {
  case $1 in
    /* | '') echo "$1" ;;
    *) if [ -e "$user_dir/$1" ] || [ ! -e "$1" ]; then echo "$user_dir/$1"; else echo "$1"; fi ;;
  esac
}

is_one_of() { local word=$1; shift; case " $* " in *" $word "*) return 0 ;; *) return 1 ;; esac; }

parse() {
  local name value
  while [ $# -gt 0 ]; do
    case $1 in -h | --help) usage ;; --*) ;; *) die "unexpected word '$1'; options start with --" ;; esac
    name=${1%%=*} value=
    name=${name#--} name=${name//-/_}
    is_one_of "$name" stage stop_stage task nj ngpu iter config force dry_run "${options[@]-}" ||
      die "unknown option --${name//_/-} (see --help)"
    if [ "$1" != "${1#*=}" ]; then value=${1#*=}
    elif is_one_of "$name" "${flags[@]}"; then value=true
    else
      [ $# -gt 1 ] || die "--${name//_/-} needs a value"
      shift; value=$1
    fi
    if is_one_of "$name" "${paths[@]}"; then value=$(from_user "$value"); fi
    printf -v "$name" '%s' "$value"
    shift
  done
  stage=$(stage_number "$stage") # two lines: of several assignments only the last one's failure would count
  stop_stage=$(stage_number "$stop_stage")
}

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
  [ "$dry_run" = true ] || [ -e "$1" ] ||
    die "$1 is missing; stage $2 (${stage_names[$2]}) makes it: $me --stage $2 --stop-stage $2" 3
}

has() {
  [ "$dry_run" = true ] || [ -e "$1" ] || { echo "$me: $1 is missing: $2"; return 1; }
}

run() {
  printf '$'; printf ' %q' "$@"; echo
  if [ "$dry_run" != true ]; then "$@"; fi
}

parse "$@"
if [ "$force" = true ]; then export SPEECHT5_FORCE=1; fi
# A variant of the settings (--config conf/small.yaml) has experiments of its own: exp/asr_small.
variant=() suffix=
if [ -n "$config" ]; then
  [ -f "$config" ] || die "--config $config: no such file"
  variant=(--variant "$config") suffix=_$(basename "$config" .yaml)
fi
if [ "$iter" = 2 ]; then suffix=${suffix}_it2; fi
if [ "$dry_run" != true ]; then find_speecht5; fi
