/* SPDX-License-Identifier: MIT */
/* version: what was built and what it runs on. */
#include "cli/cli.h"
#include "cli/output.h"
#include "machine/machine.h"

int cmd_version(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    const struct mscope_version *version = mscope_get_version();
    const char *const *levels = mscope_cpu_levels();
    char cpu[128];
    machine_cpu_name(cpu, sizeof cpu);
    if (options_flag(options, "json")) {
        json_t *names = json_array();
        for (int i = 0; levels[i] != NULL; i++) {
            json_array_append_new(names, json_string(levels[i]));
        }
        json_t *json = json_object();
        json_object_set_new(json, "version", json_text(version->version));
        json_object_set_new(json, "commit", json_text(version->commit));
        json_object_set_new(json, "compiler", json_text(version->compiler));
        json_object_set_new(json, "flags", json_text(version->flags));
        json_object_set_new(json, "cpu", json_text(cpu));
        json_object_set_new(json, "physical_cores", json_integer(machine_n_physical_cores()));
        json_object_set_new(json, "cpu_levels", names);
        out_json(json);
        return CLI_OK;
    }
    out_printf("moescope %s\n", version->version);
    out_printf("  commit    %s\n", version->commit);
    out_printf("  compiler  %s\n", version->compiler);
    out_printf("  flags     %s\n", version->flags);
    out_printf("  CPU       %s, %d physical cores\n", cpu, machine_n_physical_cores());
    out_printf("  levels   ");
    for (int i = 0; levels[i] != NULL; i++) {
        out_printf(" %s", levels[i]);
    }
    out_printf("\n");
    return CLI_OK;
}
