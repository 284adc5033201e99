# SPDX-License-Identifier: MIT
# cmake -DSOURCE=... -DOUT=... -P write_commit.cmake: writes the abbreviated commit, "-dirty" appended.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --exclude=* --abbrev=12
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed OR NOT commit)
    set(commit "unknown")
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define VERSION_COMMIT \"${commit}\"\n")
