/* SPDX-License-Identifier: MIT */
/* Version, binary, host and session of a row. */
#include "measure/provenance.h"

#include "base/rng.h"
#include "base/strbuf.h"
#include "machine/machine.h"
#include "measure/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static enum mscope_status fill_build(struct record *record, struct mscope_error *err);
static enum mscope_status fill_host(struct record *record, struct mscope_error *err);
static enum mscope_status fill_command(struct record *record, int argc, const char *const *argv,
                                       struct mscope_error *err);
static enum mscope_status fill_session(struct record *record, struct mscope_error *err);
static void os_name(char *text, size_t size);
static void utc_text(char text[40], const struct timespec *at);

enum mscope_status provenance_fill(struct record *record, int argc, const char *const *argv,
                                   struct mscope_error *err)
{
    enum mscope_status status = fill_build(record, err);
    status = status == MSCOPE_OK ? fill_host(record, err) : status;
    status = status == MSCOPE_OK ? fill_command(record, argc, argv, err) : status;
    return status == MSCOPE_OK ? fill_session(record, err) : status;
}

enum mscope_status provenance_fill_model(struct record *record, const char *path,
                                         struct mscope_error *err)
{
    char hex[HASH_TEXT_BYTES];
    uint64_t n_bytes;
    enum mscope_status status = hash_model_cached(hex, &n_bytes, path, err);
    if (status == MSCOPE_OK) {
        status = record_set_text(&record->model_sha256, hex, err);
    }
    if (status == MSCOPE_OK) {
        const char *slash = strrchr(path, '/');
        status = record_set_text(&record->model_file, slash != NULL ? slash + 1 : path, err);
        record->model_bytes = (int64_t)n_bytes;
    }
    return status;
}

enum mscope_status provenance_stamp(struct record *record, struct mscope_error *err)
{
    struct timespec now;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    utc_text(text, &now);
    return record_set_text(&record->started_at, text, err);
}

const char *provenance_machine_name(char *text, size_t size)
{
    machine_cpu_name(text, size);
    size_t n = strlen(text);
    FILE *board = fopen("/proc/device-tree/model", "rb");
    if (board != NULL && n + 4 < size) {
        memcpy(text + n, " / ", 4);
        size_t got = fread(text + n + 3, 1, size - n - 4, board);
        text[n + 3 + got] = '\0';
    }
    if (board != NULL) {
        fclose(board);
    }
    return text;
}

static enum mscope_status fill_build(struct record *record, struct mscope_error *err)
{
    const struct mscope_version *version = mscope_get_version();
    if (strncmp(version->commit, "unknown", 7) == 0) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, "provenance",
                         "built outside a git checkout, expected a commit: rows without one are "
                         "refused");
    }
    const struct {
        char **field;
        const char *text;
    } texts[] = {
        {&record->version, version->version},
        {&record->commit, version->commit},
        {&record->compiler, version->compiler},
        {&record->flags, version->flags},
    };
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == MSCOPE_OK; i++) {
        status = record_set_text(texts[i].field, texts[i].text, err);
    }
    char hex[HASH_TEXT_BYTES];
    if (status == MSCOPE_OK && hash_file(hex, "/proc/self/exe", NULL) == MSCOPE_OK) {
        status = record_set_text(&record->binary_sha256, hex, err);
    }
    return status;
}

static enum mscope_status fill_host(struct record *record, struct mscope_error *err)
{
    char cpu[128], os[256], hex[HASH_TEXT_BYTES];
    struct machine_memory memory;
    machine_cpu_name(cpu, sizeof cpu);
    os_name(os, sizeof os);
    enum mscope_status status = machine_read_memory(&memory, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    long n_online = sysconf(_SC_NPROCESSORS_ONLN);
    record->n_cores_physical = machine_n_physical_cores();
    record->n_cores_logical = n_online > 0 ? n_online : 1;
    record->ram_bytes = (int64_t)memory.total;
    struct strbuf text = {0};
    strbuf_printf(&text, "%s|%lld|%lld|%lld|%s", cpu, (long long)record->n_cores_physical,
                  (long long)record->n_cores_logical, (long long)record->ram_bytes, os);
    status = text.failed ? error_set_memory(err, "fingerprint", sizeof os)
                         : hash_bytes(hex, text.data, text.n_bytes, err);
    strbuf_free(&text);
    if (status == MSCOPE_OK) {
        hex[16] = '\0';
        status = record_set_text(&record->host_fingerprint, hex, err);
    }
    status = status == MSCOPE_OK ? record_set_text(&record->cpu, cpu, err) : status;
    return status == MSCOPE_OK ? record_set_text(&record->os, os, err) : status;
}

/* Words as the shell would need them; the program by its last part, since paths differ by machine.
 */
static enum mscope_status fill_command(struct record *record, int argc, const char *const *argv,
                                       struct mscope_error *err)
{
    struct strbuf text = {0};
    for (int i = 0; i < argc; i++) {
        const char *slash = i == 0 ? strrchr(argv[i], '/') : NULL;
        const char *word = slash != NULL ? slash + 1 : argv[i];
        bool plain = word[0] != '\0' && strpbrk(word, " \t\n'\"\\$`*?&|;<>(){}#!") == NULL;
        strbuf_printf(&text, plain ? "%s%s" : "%s'%s'", i > 0 ? " " : "", word);
    }
    enum mscope_status status = text.failed ? error_set_memory(err, "command", text.n_bytes)
                                            : record_set_text(&record->command, text.data, err);
    strbuf_free(&text);
    return status;
}

/* Time and a random tail: two programs may start in the same millisecond. */
static enum mscope_status fill_session(struct record *record, struct mscope_error *err)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    struct rng rng;
    rng_seed(&rng,
             (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 20) ^ ((uint64_t)getpid() << 44));
    char stamp[32], text[64];
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(text, sizeof text, "%s-%08x", stamp, (unsigned)rng_next(&rng));
    return record_set_text(&record->session_id, text, err);
}

static void os_name(char *text, size_t size)
{
    struct utsname name = {0};
    uname(&name);
    char pretty[128] = "";
    FILE *release = fopen("/etc/os-release", "rb");
    char line[256];
    while (release != NULL && fgets(line, sizeof line, release) != NULL) {
        if (strncmp(line, "PRETTY_NAME=", 12) == 0) {
            const char *start = line + 12 + (line[12] == '"' ? 1 : 0);
            snprintf(pretty, sizeof pretty, "%.*s", (int)strcspn(start, "\"\n"), start);
        }
    }
    if (release != NULL) {
        fclose(release);
    }
    snprintf(text, size, "%s%s%s %s", pretty, pretty[0] != '\0' ? ", " : "", name.sysname,
             name.release);
}

static void utc_text(char text[40], const struct timespec *at)
{
    struct tm utc;
    char stamp[24];
    gmtime_r(&at->tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, 40, "%s.%03ldZ", stamp, at->tv_nsec / 1000000);
}
