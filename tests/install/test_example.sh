#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs into an empty folder with a prefix and a DESTDIR, moves the tree, and there builds and runs docs/example.c
# with nothing but the compiler and pkg-config, as a user of the library would.
set -eu

fail() {
    echo "install/example: $1" >&2
    exit 1
}

example=$MSCOPE_SOURCE/docs/example.c
if [ ! -f "$example" ]; then
    echo "SKIP install/example: no docs/example.c"
    exit 77
fi
place=$MSCOPE_BUILD/test_install
rm -rf "$place"
mkdir -p "$place"
DESTDIR=$place/stage "$CMAKE" --install "$MSCOPE_BUILD" --prefix /opt/moescope > "$place/log" 2>&1 ||
    fail "cmake --install failed: $(tail -n 3 "$place/log")"
mv "$place/stage/opt/moescope" "$place/tree"
rmdir "$place/stage/opt" "$place/stage" || fail "files outside the prefix: $(find "$place/stage")"
tree=$place/tree
for file in bin/moescope include/moescope.h "$MSCOPE_LIBDIR/libmoescope.a" "$MSCOPE_LIBDIR/pkgconfig/moescope.pc" \
    share/man/man1/moescope.1; do
    [ -s "$tree/$file" ] || fail "$file was not installed"
done
[ -d "$tree/share/moescope/configs" ] || fail "no configurations were installed"
others=$(find "$tree" -type f ! -path "$tree/share/moescope/configs/*")
[ "$(echo "$others" | wc -l)" -eq 5 ] || fail "expected 5 files besides configurations, got: $others"

PKG_CONFIG_PATH=$tree/$MSCOPE_LIBDIR/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs moescope) || fail "pkg-config does not know moescope"
[ -z "$SANITIZE" ] || flags="$flags -fsanitize=$SANITIZE"
# shellcheck disable=SC2086  # the flags are words
"$CC" -std=c11 -Wall -Wextra -Werror -o "$place/example" "$example" $flags || fail "the example does not build"

"$tree/bin/moescope" synth tiny-olmoe "$place/tiny.gguf" --type Q8_0 > "$place/log" 2>&1 ||
    fail "synth failed: $(cat "$place/log")"
"$place/example" "$place/tiny.gguf" "Once upon a time" > "$place/out" || fail "the example failed"
[ -s "$place/out" ] || fail "the example printed nothing"
if "$place/example" "$place/absent.gguf" "Once" > "$place/out" 2>&1; then
    fail "the example accepts a missing model"
fi
[ -s "$place/out" ] || fail "the example is silent about a missing model"
rm -rf "$place"
