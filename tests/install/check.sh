#!/bin/sh
# check.sh peer|own WORK CLIENT FILES [CMAKE OPTION...]
#
# Finds an installation by pkg-config and by CMake, under the peer's name or this project's, builds C clients with
# it, and runs them under the library. Prints the path of the library that pkg-config has found, and then of the one
# that CMake has found.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kind=$1 work=$2 client=$3 files=$4
shift 4
mkdir -p "$work"
export NSS_WRAPPER_PASSWD="$files/passwd" NSS_WRAPPER_GROUP="$files/group"
want=$(printf 'bob:x:4242:77:Bob:/b:/bin/b\nlab:x:77:bob,eve')

fail() {
    echo "check.sh: $1" >&2
    exit 1
}
says() {
    said=$(env "$2" "$3") || fail "$3 under $2: $said"
    [ "$said" = "$1" ] || fail "$3 under $2: $said"
}

# By pkg-config. The peer's file gives the path of the library as the flags to link with.
if [ "$kind" = peer ]; then
    pkg-config --exists 'nss_wrapper >= 1.1.12' || fail "pkg-config does not know nss_wrapper"
    library=$(pkg-config --libs nss_wrapper)
    library=${library% }
    # shellcheck disable=SC2046  # flags are words
    cc -o "$work/linked" "$client" $(pkg-config --cflags --libs nss_wrapper)
    run="$want"
else
    pkg-config --exists 'nss_wrapper_rs >= 0.1' || fail "pkg-config does not know nss_wrapper_rs"
    library=$(pkg-config --variable=library nss_wrapper_rs)
    # shellcheck disable=SC2046
    cc -o "$work/linked" "$here/linked.c" $(pkg-config --cflags --libs nss_wrapper_rs)
    run='bob 4242 1'
fi
[ -f "$library" ] || fail "$library is no file"
cc -o "$work/client" "$client"
! "$work/client" >"$work/without" 2>&1 || fail "the client knows bob without a library"
says "$want" "LD_PRELOAD=$library" "$work/client"
says "$run" "LD_LIBRARY_PATH=$(dirname "$library")" "$work/linked"
echo "$library"

cmake -S "$here/$kind" -B "$work/build" -DCLIENT="$client" -DFILES="$files" "$@" >"$work/cmake.log" 2>&1 ||
    fail "$(cat "$work/cmake.log")"
cmake --build "$work/build" >"$work/build.log" 2>&1 || fail "$(cat "$work/build.log")"
(cd "$work/build" && ctest >"$work/ctest.log" 2>&1) ||
    fail "$(cat "$work/ctest.log" "$work/build/Testing/Temporary/LastTest.log")"
sed -n 's/^-- preloads //p' "$work/cmake.log"
