/* SPDX-License-Identifier: MIT */
/* What was built: version, commit, compiler, flags. */
#include "moescope.h"

#include "version_commit.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const struct mscope_version *mscope_get_version(void)
{
    static const struct mscope_version version = {
        .version = TEXT(MSCOPE_VERSION_MAJOR) "." TEXT(MSCOPE_VERSION_MINOR) "." TEXT(
            MSCOPE_VERSION_PATCH),
        .commit = VERSION_COMMIT,
        .compiler = COMPILER,
        .flags = VERSION_FLAGS,
    };
    return &version;
}
