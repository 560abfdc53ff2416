#!/bin/sh
# fuzz.sh [minutes] - runs every fuzzer of tests/fuzz for so long (10), side by side, under the address and undefined
# behaviour sanitizers, with the backends in turn. Each prints its seed when something does not hold.
# EVLOOP_FUZZ_BUILD names a build directory that has them already, instead of build/fuzz.
set -eu
cd "$(dirname "$0")/.."

minutes=${1:-10}
build=${EVLOOP_FUZZ_BUILD:-}
if [ -z "$build" ]; then
    build=build/fuzz
    cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DEVLOOP_CHECKS=ON -DEVLOOP_BUILD_STATIC=OFF \
        -DEVLOOP_SANITIZE=address,undefined "-DCMAKE_C_FLAGS_DEBUG=-O1 -g" >/dev/null
fi
cmake --build "$build" --target api_fuzz streams_fuzz tasks_fuzz
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"

backends='select kqueue'
[ "$(uname)" != Linux ] || backends='epoll select kqueue'
seconds=$((minutes * 60))
share=$((seconds / $(echo "$backends" | wc -w)))

# on_backends <fuzzer>
on_backends() {
    for backend in $backends; do
        echo "$1 on $backend: $share s"
        EVLOOP_BACKEND=$backend "$build/tests/fuzz/$1" "$share" || return
    done
}

on_backends api_fuzz &
api=$!
on_backends streams_fuzz &
streams=$!
echo "tasks_fuzz: $seconds s"
status=0
python3 -B tests/fuzz/tasks_fuzz.py "$build/tests/fuzz/tasks_fuzz" "$seconds" || status=$?
wait $api || status=$?
wait $streams || status=$?
exit $status
