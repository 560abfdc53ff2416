#!/bin/sh
# syscalls.sh - system calls per echoed message and per post, counted by strace.
#     bench/syscalls.sh [DIRECTORY [SUFFIX]]
#
# DIRECTORY is where the benchmarks were built (build/release/bench), SUFFIX "_shared" takes the programs that link the
# shared library. Every figure is the difference of two runs of different length, so that starting and ending is not
# in it. Under strace a system call takes far longer than otherwise, and so fewer posts find the loop awake than in
# real life.
set -eu

directory=${1:-build/release/bench}
suffix=${2:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# trace PROGRAM ARGUMENT...
trace() {
    strace -f -c -o "$scratch/out" "$@" >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        exit 1
    }
}

# row NAME DIVISOR CALL... with the two runs' counts in $scratch/short and $scratch/long
row() {
    printf '  %-16s' "$1"
    divisor=$2
    shift 2
    for call; do
        awk -v name="$call" -v by="$divisor" '
            $NF == name && FILENAME ~ /short$/ { short = $4 }
            $NF == name && FILENAME ~ /long$/ { long = $4 }
            END { printf "%14.4f", (long - short) / by }' "$scratch/short" "$scratch/long"
    done
    printf '\n'
}

printf 'system calls per echoed message, 8 ready per pass, client included\n  %-16s%14s%14s%14s%14s%14s%14s%14s%14s%14s\n' '' \
    read write readv writev recvfrom sendto epoll_wait epoll_ctl ioctl
for server in evloop raw stream stream-op coroutine libev libuv libuv-stream libevent asio asio-coroutine libcoro; do
    "$directory/passes$suffix" 1 1 $server >/dev/null 2>&1 || continue
    trace "$directory/passes$suffix" 8 8000 $server
    mv "$scratch/out" "$scratch/short"
    trace "$directory/passes$suffix" 8 24000 $server
    mv "$scratch/out" "$scratch/long"
    row $server 16000 read write readv writev recvfrom sendto epoll_wait epoll_ctl ioctl
done

printf '\nsystem calls per post from another thread\n  %-16s%14s%14s%14s%14s\n' '' write read epoll_wait futex
for contender in evloop raw libev libuv; do
    "$directory/posts$suffix" 1 1 $contender >/dev/null 2>&1 || continue
    trace "$directory/posts$suffix" 20000 1 $contender
    mv "$scratch/out" "$scratch/short"
    trace "$directory/posts$suffix" 220000 1 $contender
    mv "$scratch/out" "$scratch/long"
    row $contender 200000 write read epoll_wait futex
done
