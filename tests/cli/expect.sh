# SPDX-License-Identifier: MIT
# Sourced by test scripts that keep what a program says in `out` and `err`: cases and failures are counted.
# shellcheck shell=bash
n_cases=0 n_failed=0

bad() {
    n_failed=$((n_failed + 1))
    echo "FAIL $*"
    head -c 600 err
}
has() { # has FILE PATTERN
    n_cases=$((n_cases + 1))
    grep -qE -- "$2" "$1" || bad "$1 lacks /$2/"
}
is() { # is VALUE EXPECTED WHAT
    n_cases=$((n_cases + 1))
    [ "$1" = "$2" ] || bad "$3: $1, expected $2"
}
