#!/bin/sh
# fuzz.sh [minutes] - runs every fuzzer of tests/fuzz for so long (10), one after the other, under the address and
# undefined behaviour sanitizers, with the backends in turn. Each prints its seed when something does not hold.
set -eu
cd "$(dirname "$0")/.."

minutes=${1:-10}
build=build/fuzz
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DEVLOOP_CHECKS=ON -DEVLOOP_BUILD_STATIC=OFF \
    -DEVLOOP_SANITIZE=address,undefined "-DCMAKE_C_FLAGS_DEBUG=-O1 -g" >/dev/null
cmake --build "$build" --target api_fuzz streams_fuzz tasks_fuzz
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"

backends='select kqueue'
[ "$(uname)" != Linux ] || backends='epoll select kqueue'
seconds=$((minutes * 60))
share=$((seconds / $(echo "$backends" | wc -w)))
for name in api_fuzz streams_fuzz; do
    for backend in $backends; do
        echo "$name on $backend: $share s"
        EVLOOP_BACKEND=$backend "$build/tests/fuzz/$name" "$share"
    done
done
echo "tasks_fuzz: $seconds s"
python3 -B tests/fuzz/tasks_fuzz.py "$build/tests/fuzz/tasks_fuzz" "$seconds"
