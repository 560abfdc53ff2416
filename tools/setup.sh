#!/bin/sh
# setup.sh [demo | docs] - installs what building and testing evloop needs on Debian or Ubuntu, with apt-get; "demo" is
# the little that the examples need, "docs" what the manual needs besides. Does nothing, and needs no network, when
# everything is there.
set -eu

missing=

# wants <command> <package>
wants() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

# wants_library <pkg-config name> <package>
wants_library() {
    pkg-config --exists "$1" 2>/dev/null || missing="$missing $2"
}

wants cc gcc
wants c++ g++
wants cmake cmake
wants ninja ninja-build
if [ "${1:-all}" != demo ]; then
    wants nm binutils
    wants clang-19 clang-19
    wants clang-format-19 clang-format-19
    wants curl curl
    wants gdb gdb
    wants git git
    wants gnutls-cli gnutls-bin
    wants meson meson
    wants nc netcat-openbsd
    wants openssl openssl
    wants pkg-config pkg-config
    wants python3 python3
    wants socat socat
    wants strace strace
    wants valgrind valgrind
    [ -e /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
    [ -e /usr/include/boost/context/detail/fcontext.hpp ] || missing="$missing libboost-context-dev"
    [ -e /usr/include/boost/beast/http/basic_parser.hpp ] || missing="$missing libboost-dev"
    [ -e /usr/include/gtest/gtest.h ] || missing="$missing libgtest-dev"
    [ -e /usr/include/gmock/gmock.h ] || missing="$missing libgmock-dev"
    wants_library hiredis libhiredis-dev # those of the adapters' tests, and their servers
    wants_library glib-2.0 libglib2.0-dev
    wants_library libcares libc-ares-dev
    wants_library libcurl libcurl4-openssl-dev
    wants_library libpq libpq-dev
    wants_library libsystemd libsystemd-dev
    wants_library libuv libuv1-dev
    [ -e /usr/include/asio.hpp ] || missing="$missing libasio-dev"
    wants redis-server redis-server
    [ -n "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null || command -v initdb)" ] || missing="$missing postgresql"
    wants doxygen doxygen
    /usr/bin/python3 -c 'import pycparser' 2>/dev/null || missing="$missing python3-pycparser"
fi
if [ "${1:-all}" = docs ]; then
    wants dot graphviz
    wants sphinx-build python3-sphinx
    /usr/bin/python3 -c 'import furo' 2>/dev/null || missing="$missing furo"
    /usr/bin/python3 -c 'import myst_parser' 2>/dev/null || missing="$missing python3-myst-parser"
fi

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup.sh: no apt-get here; please install:$missing" >&2
        exit 1
    fi
    sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "setup.sh: installing$missing"
    $sudo apt-get update -qq
    # An older distribution may not have this clang; then the newest that it has.
    for tool in clang clang-format; do
        case "$missing " in
        *" $tool-19 "*)
            apt-cache show $tool-19 >/dev/null 2>&1 || missing=$(echo "$missing" | sed "s/ $tool-19/ $tool/") ;;
        esac
    done
    # shellcheck disable=SC2086 # a list of packages
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

# The presets want CMake 3.25; building, testing and installing without them, as tools/test.sh does, wants 3.22.
have=$(cmake --version | sed -n '1s/[^0-9]*//p')
if [ "$(printf '%s\n' 3.22 "$have" | sort -V | head -n 1)" != 3.22 ]; then
    echo "setup.sh: evloop wants CMake 3.22 or newer; this is $have" >&2
    exit 1
fi
