/* SPDX-License-Identifier: MIT */
/* The table of families. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

static const struct arch *const families[] = {&arch_llama, &arch_qwen2, &arch_gemma2, &arch_olmoe,
                                              &arch_qwen3moe};

enum { N_FAMILIES = sizeof families / sizeof families[0] };

/* Same order as `families`; a test compares them. */
static const char *const names[N_FAMILIES + 1] = {"llama", "qwen2",    "gemma2",
                                                  "olmoe", "qwen3moe", NULL};

const struct arch *arch_find(struct gguf_string name)
{
    for (int i = 0; i < N_FAMILIES; i++) {
        if (gguf_string_equals(name, families[i]->name)) {
            return families[i];
        }
    }
    return NULL;
}

const struct arch *arch_find_name(const char *name)
{
    return arch_find((struct gguf_string){name, strlen(name)});
}

const char *const *model_known_archs(void)
{
    return names;
}

const char *arch_key(char key[ARCH_KEY_BYTES], const char *arch, const char *suffix)
{
    snprintf(key, ARCH_KEY_BYTES, "%s.%s", arch, suffix);
    return key;
}
