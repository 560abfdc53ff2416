#!/bin/sh
# instructions.sh - user-space instructions per message and per deferred call, counted by callgrind.
#     bench/instructions.sh [DIRECTORY [SUFFIX]]
#
# DIRECTORY is where the benchmarks were built (build/release/bench), SUFFIX "_shared" takes the programs that link the
# shared library. Every figure is the difference of two runs of different length, divided by the difference of their
# lengths: what starting and ending costs is not in it. Only the server is counted, not the client that shares its
# process. Clock reads count nearly nothing here: under Valgrind they do not go through the vDSO.
set -eu

directory=${1:-build/release/bench}
suffix=${2:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# count OPTION... -- PROGRAM ARGUMENT...: instructions
count() {
    valgrind --tool=callgrind --callgrind-out-file="$scratch/out" "$@" >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        exit 1
    }
    sed -n 's/^summary: //p; s/^totals: //p' "$scratch/out" | tail -n 1
}

# per READY SERVER: instructions per message
per_message() {
    short=$(count --toggle-collect=serve --toggle-collect=turn "$directory/passes$suffix" "$1" 20000 "$2")
    long=$(count --toggle-collect=serve --toggle-collect=turn "$directory/passes$suffix" "$1" 60000 "$2")
    echo "$short $long" | awk '{ printf "%.1f", ($2 - $1) / 40000 }'
}

per_call() {
    short=$(count "$directory/calls$suffix" 20000 0 "$1" "$2")
    long=$(count "$directory/calls$suffix" 60000 0 "$1" "$2")
    echo "$short $long" | awk '{ printf "%.1f", ($2 - $1) / 40000 }'
}

# per WORK LIBRARY COUNT: instructions per coroutine
per_coroutine() {
    short=$(count "$directory/coroutines$suffix" "$3" 0 "$1" "$2")
    long=$(count "$directory/coroutines$suffix" $((3 * $3)) 0 "$1" "$2")
    echo "$short $long $3" | awk '{ printf "%.0f", ($2 - $1) / $3 / 2 }'
}

printf 'user-space instructions per echoed message, by messages ready per pass\n  %-16s%12s%12s%12s%12s\n' '' 1 8 50 100
for server in evloop raw stream stream-op coroutine fiber libev libuv libuv-stream libevent asio asio-coroutine libcoro; do
    "$directory/passes$suffix" 1 1 $server >/dev/null 2>&1 || continue
    printf '  %-16s' $server
    for ready in 1 8 50 100; do
        printf '%12s' "$(per_message $ready $server)"
    done
    printf '\n'
done

printf '\nuser-space instructions per deferred call\n  %-16s%12s%12s\n' '' chain batch
for contender in evloop evloop-op libev libev-feed libuv; do
    "$directory/calls$suffix" 1000 0 $contender batch >/dev/null 2>&1 || continue
    printf '  %-16s' $contender
    for work in chain batch; do
        printf '%12s' "$(per_call $contender $work)"
    done
    printf '\n'
done

printf '\nuser-space instructions per coroutine\n  %-16s%12s%12s%12s%12s%12s%12s\n' '' call yield spawn crowd sleeps random
for library in evloop asio libcoro; do
    "$directory/coroutines$suffix" 1 0 call $library >/dev/null 2>&1 || continue
    printf '  %-16s' $library
    for work in call yield spawn crowd sleeps random; do
        printf '%12s' "$(per_coroutine $work $library 20000)"
    done
    printf '\n'
done
