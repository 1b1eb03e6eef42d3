#!/usr/bin/env bash
# Runs the property tests (test/property) over SEEDS seeds from FROM on, cut into JOBS programs that run at once:
#     tools/fuzz_views.sh PROGRAM SEEDS FROM JOBS
# Exit status 0 when all are well. Each program's output is printed when it ends, and names a seed that failed.
set -uo pipefail
program=$1 seeds=$2 from=$3 jobs=$4
share=$(((seeds + jobs - 1) / jobs))
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

running=()
for ((i = 0; i < jobs && i * share < seeds; i++)); do
  left=$((seeds - i * share))
  MILLRACE_SEED=$((from + i * share)) MILLRACE_SEEDS=$((left < share ? left : share)) \
    nice "$program" --gtest_brief=1 >"$folder/$i" 2>&1 &
  running+=($!)
done
status=0
for i in "${!running[@]}"; do
  wait "${running[$i]}" || status=1
  cat "$folder/$i"
done
exit $status
