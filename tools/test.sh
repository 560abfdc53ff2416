#!/bin/bash
# test.sh [ctest's arguments] - builds everything and runs the whole test suite. From any directory. The last line
# that it prints is ctest's summary.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh
cmake --preset test
cmake --build --preset test
mkdir -p build
status=0
ctest --preset test --parallel "$(getconf _NPROCESSORS_ONLN)" "$@" 2>&1 | tee build/test.log || status=$?
grep 'tests passed' build/test.log | tail -n 1
exit $status
