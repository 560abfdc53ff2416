#!/bin/bash
# ports.sh [--short] [target...] - builds the library and its tests for other processors, and runs the contract suite
# there: i686 by this kernel, arm (32 bit), aarch64, riscv64 and s390x (big endian) under qemu-user. Without a target:
# all. On Debian and Ubuntu the cross compilers and qemu are installed on demand.
#     --short    the library, the unit tests and the programs of tests/ports only
# Every target must build without a warning. What qemu-user cannot do is left out by name.
set -euo pipefail
cd "$(dirname "$0")/.."

short=false
if [ "${1:-}" = --short ]; then
    short=true
    shift
fi
[ $# -gt 0 ] || set -- i686 arm aarch64 riscv64 s390x

# triplet <target>
triplet() {
    case $1 in
    arm) echo arm-linux-gnueabihf ;;
    i686 | aarch64 | riscv64 | s390x) echo "$1-linux-gnu" ;;
    *)
        echo "ports.sh: no target $1" >&2
        exit 2
        ;;
    esac
}

install_missing() {
    local missing=() target triplet
    [ -e /usr/src/googletest/CMakeLists.txt ] || missing+=(googletest)
    for target in "$@"; do
        triplet=$(triplet "$target")
        command -v "$triplet-g++" >/dev/null || missing+=("g++-$triplet")
        [ "$target" = i686 ] || command -v "qemu-$target" >/dev/null || missing+=(qemu-user)
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "ports.sh: installing ${missing[*]}"
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# toolchain <target>: writes its file. An i686 program runs as it is, once it finds its loader and libraries.
toolchain() {
    local target=$1 triplet=$2 root=/usr/$2
    echo "set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $target)
set(CMAKE_C_COMPILER $triplet-gcc)
set(CMAKE_CXX_COMPILER $triplet-g++)
set(CMAKE_FIND_ROOT_PATH $root \${CMAKE_CURRENT_LIST_DIR}/gtest)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)"
    if [ "$target" = i686 ]; then
        echo "set(CMAKE_EXE_LINKER_FLAGS_INIT \"-Wl,--dynamic-linker=$root/lib/ld-linux.so.2 -Wl,-rpath,$root/lib\")"
    else
        echo "set(CMAKE_CROSSCOMPILING_EMULATOR qemu-$target -L $root)"
    fi
}

# Not evloop's: qemu 7.2 knows no MCAST_JOIN_GROUP, and asserts in a forked child that makes threads; it is fork
# that it sees, and no raw clone; a signal's action that is changed while the signal comes makes it crash.
unknown_to_qemu='*Multicast*:Signal.Contract_07_HandlersInFlight*:Trap.Trap_10*:Fork.*Raw*:Fork.*Executor*'

port() {
    local target=$1 triplet build run=() filter='*'
    triplet=$(triplet "$target")
    build=$PWD/build/ports/$target
    mkdir -p "$build"
    toolchain "$target" "$triplet" >"$build/toolchain.cmake"
    if [ "$target" != i686 ]; then
        run=("qemu-$target" -L "/usr/$triplet")
        filter="-$unknown_to_qemu"
        export EVLOOP_TEST_SCALE=${EVLOOP_TEST_SCALE:-40}
    fi
    if [ ! -e "$build/gtest/lib/libgmock.a" ]; then
        cmake -S /usr/src/googletest -B "$build/gtest-build" -G Ninja --toolchain "$build/toolchain.cmake" \
            -DCMAKE_INSTALL_PREFIX="$build/gtest" >/dev/null
        cmake --build "$build/gtest-build" --target install >/dev/null
    fi
    cmake -S . -B "$build/evloop" -G Ninja --toolchain "$build/toolchain.cmake" -DEVLOOP_WERROR=ON \
        -DGTest_DIR="$build/gtest/lib/cmake/GTest" -DEVLOOP_BUILD_EXAMPLES=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
    cmake --build "$build/evloop" --target evloop_shared unit ports
    (cd "$build/evloop" && ctest --output-on-failure --no-tests=error -R '^(unit|ports)\.')
    $short && return
    cmake --build "$build/evloop" --target contract
    for backend in epoll select; do
        echo "$target: contract, $backend"
        EVLOOP_BACKEND=$backend "${run[@]}" "$build/evloop/tests/contract" --gtest_brief=1 --gtest_filter="$filter"
    done
}

install_missing "$@"
for target in "$@"; do
    echo "=== $target"
    port "$target"
done
