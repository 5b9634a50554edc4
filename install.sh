#!/bin/sh
# Installs the library, its header, the launcher, and the files by which build systems and shells find them.
set -eu
# Others are to find what root installs, also in directories that are made for it.
umask 022

usage() {
    cat <<'TEXT'
usage: ./install.sh [--compat | --compat-only] [NAME=VALUE...]

  --compat        also install the names of samba's nss_wrapper: libnss_wrapper.so,
                  pkg-config nss_wrapper, find_package(nss_wrapper), nss_wrapper(1)
  --compat-only   install only those names; the rest is installed already

  PREFIX=DIR      where the files will be used; default /usr/local
  LIBDIR=DIR      where libraries are; default PREFIX/lib (on Debian: /usr/lib/x86_64-linux-gnu)
  DESTDIR=DIR     put in front of every path, to make a package; default empty
  RUNNABLE=FILE   if the installed launcher is for another machine: a launcher that runs on this
                  one, to write the man pages and the completions

If glibc's loader searches LIBDIR, LD_PRELOAD may then name the library without a path. Otherwise
that needs LD_LIBRARY_PATH=LIBDIR.

The variables may also be set in the environment. The files that cargo build --release makes are
taken from CARGO_TARGET_DIR, or target, and built if they are not there.
TEXT
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

own=yes compat=no
for argument; do
    case $argument in
        --compat) compat=yes ;;
        --compat-only) own=no compat=yes ;;
        --help | -h) usage && exit 0 ;;
        PREFIX=*) PREFIX=${argument#*=} ;;
        LIBDIR=*) LIBDIR=${argument#*=} ;;
        DESTDIR=*) DESTDIR=${argument#*=} ;;
        RUNNABLE=*) RUNNABLE=${argument#*=} ;;
        *) usage >&2 && fail "unknown argument: $argument" ;;
    esac
done
PREFIX=${PREFIX:-/usr/local}
LIBDIR=${LIBDIR:-$PREFIX/lib}
DESTDIR=${DESTDIR:-}
case $PREFIX$LIBDIR in
    *[!A-Za-z0-9/._+~-]*) fail "PREFIX and LIBDIR may have letters, digits and /._+~- only" ;;
esac
for dir in "$PREFIX" "$LIBDIR"; do
    case $dir in /*) ;; *) fail "$dir is not an absolute path" ;; esac
done
includedir=$PREFIX/include
man1=$PREFIX/share/man/man1

# Relative paths are the caller's.
RUNNABLE=${RUNNABLE:-}
case $RUNNABLE in '' | /*) ;; *) RUNNABLE=$PWD/$RUNNABLE ;; esac
case $DESTDIR in '' | /*) ;; *) DESTDIR=$PWD/$DESTDIR ;; esac
target=${CARGO_TARGET_DIR:-}
case $target in '' | /*) ;; *) target=$PWD/$target ;; esac
cd "$(dirname "$0")"
built=${target:-target}/release
if ! [ -f "$built/libnss_wrapper_rs.so" ] || ! [ -x "$built/nss-wrapper" ]; then
    cargo build --release --target-dir "${target:-target}"
fi
runnable=${RUNNABLE:-$built/nss-wrapper}
version=$("$runnable" --version)
version=${version##* }
# The newest version of the peer whose interface docs/compatibility.md compares with: a build that
# asks for at least some version must find all that this version had.
peer_version=1.1.16

# put MODE TO copies standard input to a file.
put() {
    mkdir -p "$DESTDIR$(dirname "$2")"
    cat >"$DESTDIR$2.new"
    chmod "$1" "$DESTDIR$2.new"
    # At once: programs have the old file mapped, and load it.
    mv -f "$DESTDIR$2.new" "$DESTDIR$2"
}
# text TO COMMAND... writes what the command prints to a file. (A pipe would hide that it fails.)
text() {
    to=$1
    shift
    said=$("$@")
    printf '%s\n' "$said" | put 644 "$to"
}
# fill FROM TO VERSION copies a template, with the values in place of the names.
fill() {
    text "$2" sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@LIBDIR@|$LIBDIR|g" -e "s|@INCLUDEDIR@|$includedir|g" \
        -e "s|@VERSION@|$3|g" "install/$1"
}
link() {
    mkdir -p "$DESTDIR$(dirname "$2")"
    ln -sf "$1" "$DESTDIR$2"
}

if [ $own = yes ]; then
    put 644 "$LIBDIR/libnss_wrapper_rs.so" <"$built/libnss_wrapper_rs.so"
    # Programs that are linked with the library look for it by its SONAME.
    link libnss_wrapper_rs.so "$LIBDIR/libnss_wrapper_rs.so.2"
    put 644 "$includedir/nss_wrapper_rs.h" <include/nss_wrapper_rs.h
    fill nss_wrapper_rs.pc.in "$LIBDIR/pkgconfig/nss_wrapper_rs.pc" "$version"
    cmake=$LIBDIR/cmake/nss_wrapper_rs
    fill nss_wrapper_rs-config.cmake.in "$cmake/nss_wrapper_rs-config.cmake" "$version"
    fill config-version.cmake.in "$cmake/nss_wrapper_rs-config-version.cmake" "$version"

    put 755 "$PREFIX/bin/nss-wrapper" <"$built/nss-wrapper"
    link nss-wrapper "$PREFIX/bin/nss_wrapper.pl"
    share=$PREFIX/share
    generate() { text "$2" "$runnable" --generate "$1"; }
    generate bash "$share/bash-completion/completions/nss-wrapper"
    generate zsh "$share/zsh/site-functions/_nss-wrapper"
    generate fish "$share/fish/vendor_completions.d/nss-wrapper.fish"
    generate man "$man1/nss-wrapper.1"
    generate edit-man "$man1/nss_wrapper.pl.1"
    put 644 "$man1/nss_wrapper_rs.1" <docs/nss_wrapper_rs.1
fi

if [ $compat = yes ]; then
    link libnss_wrapper_rs.so "$LIBDIR/libnss_wrapper.so"
    # As upstream's own build names it; Debian's package has only the name above.
    link libnss_wrapper_rs.so "$LIBDIR/libnss_wrapper.so.0"
    fill nss_wrapper.pc.in "$LIBDIR/pkgconfig/nss_wrapper.pc" "$peer_version"
    cmake=$LIBDIR/cmake/nss_wrapper
    fill nss_wrapper-config.cmake.in "$cmake/nss_wrapper-config.cmake" "$peer_version"
    fill config-version.cmake.in "$cmake/nss_wrapper-config-version.cmake" "$peer_version"
    echo '.so man1/nss_wrapper_rs.1' | put 644 "$man1/nss_wrapper.1"
fi

# True if glibc's loader searches the directory for a bare name.
is_searched() {
    command -v ldconfig >/dev/null || return 1
    # /usr/lib may be listed as /lib, which is the same.
    real=$(cd "$1" && pwd -P)
    ldconfig -v -N -X 2>/dev/null | sed -n 's|^\(/[^:]*\):.*|\1|p' | while read -r dir; do
        (cd "$dir" && pwd -P)
    done | grep -qxF "$real"
}

# by_name makes bare names in LD_PRELOAD find the library, before any other that has the name.
#
# glibc's loader looks a bare name up in its cache, where ldconfig enters a file under its SONAME, not
# under its own name. The SONAME must stay, because libc loads the NSS service by it. So this makes
# another file, without a SONAME, in a directory of its own, which is only a filter (ld(1), --filter):
# the loader uses the library in its place, and knows that it is the same under another name.
by_name() {
    compiler=${CC:-cc}
    if ! command -v "$compiler" >/dev/null; then
        echo "install.sh: there is no C compiler, so LD_PRELOAD needs the path: $LIBDIR/$1" >&2
        return
    fi
    dir=$LIBDIR/nss_wrapper_rs
    mkdir -p "$dir"
    # shellcheck disable=SC2016  # $ORIGIN is the loader's
    "$compiler" -shared -nostdlib -x c /dev/null -o "$dir/$1" \
        -Wl,--filter=libnss_wrapper_rs.so.2 -Wl,--enable-new-dtags '-Wl,-rpath,$ORIGIN/..'
    chmod 644 "$dir/$1"
    for name; do
        [ "$name" = "$1" ] || ln -sf "$1" "$dir/$name"
    done
    # The first directory that has a name is the one that counts.
    echo "$dir" | put 644 /etc/ld.so.conf.d/00-nss_wrapper_rs.conf
}

# The loader's cache is changed only for a directory that the loader searches.
if [ -z "$DESTDIR" ] && [ "$(id -u)" -eq 0 ] && is_searched "$LIBDIR"; then
    case $compat in
        yes) by_name libnss_wrapper_rs.so libnss_wrapper.so libnss_wrapper.so.0 ;;
        no) by_name libnss_wrapper_rs.so ;;
    esac
    ldconfig
fi
