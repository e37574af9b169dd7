# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts in dev/ share: the repository's root, colours, steps with their durations, and the
# flags of the one release configuration. Source it; it changes to the repository's root.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# The one release configuration (docs/decisions/0003): the CLI, the wheel and the demo share its build.
release_flags=(-c release -Xswiftc -static-stdlib)

# A crash must end at once, also where the backtracer cannot attach to the process.
export SWIFT_BACKTRACE="${SWIFT_BACKTRACE:-enable=no}"

if [[ -t 1 && -z "${NO_COLOR:-}" && "${TERM:-dumb}" != dumb ]]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' red='' green='' plain=''
fi

# Microseconds since the epoch, without starting a process.
now_us() { REPLY=${EPOCHREALTIME/[.,]/}; }

# Seconds with one decimal from microseconds: `format_seconds 1234567` sets REPLY to 1.2.
format_seconds() {
  local tenths=$((($1 + 50000) / 100000))
  REPLY="$((tenths / 10)).$((tenths % 10))"
}

say() { printf '%s\n' "$*"; }

# Ends the script with a message: what happened, and on the following lines what to do.
die() {
  printf '%s\n' "${red}error:${plain} $1" >&2
  shift
  local line
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

step_names=() step_times=() step_states=() current_step='' step_start=0 steps_start=0

# step NAME COMMAND...: runs the command in this shell, prints its duration, ends the script when it
# fails. `steps_begin` before the first one makes the table of durations appear at the end, either way.
step() {
  current_step=$1
  shift
  printf '\n%s\n' "${bold}==> ${current_step}${plain}"
  now_us && step_start=$REPLY
  "$@"
  step_end ok
}

step_end() {
  now_us
  local took=$((REPLY - step_start))
  step_names+=("$current_step") step_times+=("$took") step_states+=("$1")
  format_seconds "$took"
  if [[ $1 == ok ]]; then
    say "${green}    ${current_step}: ${REPLY} s${plain}"
  else
    say "${red}    ${current_step}: failed after ${REPLY} s${plain}"
  fi
  current_step=''
}

steps_begin() {
  now_us && steps_start=$REPLY
  trap steps_table EXIT
}

# With the script's exit status, unless it is $?: for scripts that clean up in their own trap.
steps_table() {
  local status=${1:-$?} index
  [[ -n $current_step ]] && step_end FAILED
  printf '\n%s\n' "${bold}Durations${plain}"
  for index in "${!step_names[@]}"; do
    format_seconds "${step_times[$index]}"
    printf '  %-42s %8s s  %s\n' "${step_names[$index]}" "$REPLY" "${step_states[$index]}"
  done
  now_us && format_seconds $((REPLY - steps_start))
  printf '  %-42s %8s s\n' total "$REPLY"
  if [[ $status -eq 0 ]]; then
    say "${green}All steps passed.${plain}"
  else
    say "${red}Failed.${plain}"
  fi
  exit "$status"
}
