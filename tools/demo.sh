#!/bin/sh
# demo.sh [the ladder's arguments] - builds the library and the examples, optimised, and runs the ladder. From any
# directory.
set -eu
cd "$(dirname "$0")/.."

tools/setup.sh demo
mkdir -p build
echo "building evloop and its examples (build/demo.log)"
# As the preset of this name, which wants a newer CMake than evloop does.
if ! {
    cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DEVLOOP_BUILD_TESTS=OFF &&
        cmake --build build/demo
} >build/demo.log 2>&1; then
    cat build/demo.log
    exit 1
fi
exec build/demo/examples/ladder/ladder "$@"
