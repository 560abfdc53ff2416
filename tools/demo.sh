#!/bin/sh
# demo.sh - builds the library and the examples, optimised, and runs the ladder. From any directory.
set -eu
cd "$(dirname "$0")/.."

tools/setup.sh demo
cmake --workflow --preset demo
exec build/demo/examples/ladder/ladder "$@"
