/* SPDX-License-Identifier: MIT */
/*
 * The reference vocabularies: every case file must agree exactly, every listed piece too. Cases
 * that are not UTF-8 must only not crash; how many agree is printed. New vocabularies dropped into
 * the folder are found.
 */
#include "token/tokenizer.h"
#include "unit.h"

#include <dirent.h>
#include <string.h>

static const char SEPARATOR[] = "\n__ggml_vocab_test__\n";

enum { MAX_IDS = 4096, MAX_PATH = 1024 };

struct blob {
    char *data; /* terminated */
    size_t n_bytes;
};

static char folder[MAX_PATH];
static char vocabulary[256]; /* name of the one under test */

static bool read_stream(struct blob *out, FILE *file);
static bool read_file(struct blob *out, const char *suffix);
static bool read_gz(struct blob *out);
static int check_cases(const struct tokenizer *tokenizer, const char *kind, unsigned flags,
                       bool must_agree);
static bool check_case(const struct tokenizer *tokenizer, unsigned flags, const char *text,
                       size_t n_bytes, const char *expected, bool report);
static void check_pieces(const struct tokenizer *tokenizer);
static void check_info(const struct tokenizer *tokenizer);

static void vocabulary_agrees(void **state)
{
    (void)state;
    struct blob image = {0};
    struct gguf *gguf;
    struct tokenizer *tokenizer;
    struct mscope_error err;
    if (!read_gz(&image)) {
        print_message("SKIP %s: cannot read the vocabulary (is gzip there?)\n", vocabulary);
        skip();
    }
    assert_ok(gguf_open_memory(&gguf, image.data, image.n_bytes, vocabulary, &err), &err);
    assert_ok(tokenizer_open(&tokenizer, gguf, &err), &err);
    assert_non_null(tokenizer);
    int n_failed = check_cases(tokenizer, "", 0, true);
    n_failed += check_cases(tokenizer, ".extra", 0, true);
    n_failed += check_cases(tokenizer, ".special", MSCOPE_ADD_SPECIAL | MSCOPE_PARSE_SPECIAL, true);
    check_cases(tokenizer, ".invalid", 0, false);
    assert_int_equal(n_failed, 0);
    check_info(tokenizer);
    check_pieces(tokenizer);
    tokenizer_close(&tokenizer);
    gguf_close(&gguf);
    free(image.data);
}

/* Returns how many cases disagree. */
static int check_cases(const struct tokenizer *tokenizer, const char *kind, unsigned flags,
                       bool must_agree)
{
    char suffix[64];
    struct blob in, out;
    snprintf(suffix, sizeof suffix, ".gguf%s.inp", kind);
    if (!read_file(&in, suffix)) {
        return 0;
    }
    snprintf(suffix, sizeof suffix, ".gguf%s.out", kind);
    assert_true(read_file(&out, suffix));
    int n_cases = 0, n_agree = 0;
    char *line = out.data;
    for (char *text = in.data; text < in.data + in.n_bytes;) {
        char *end = text;
        size_t n_separator = sizeof SEPARATOR - 1;
        while (memcmp(end, SEPARATOR, n_separator) != 0) {
            end++;
            assert_true(end + n_separator <= in.data + in.n_bytes);
        }
        char *line_end = strchr(line, '\n');
        assert_non_null(line_end);
        *line_end = '\0';
        n_cases++;
        n_agree += check_case(tokenizer, flags, text, (size_t)(end - text), line, must_agree);
        line = line_end + 1;
        text = end + n_separator;
    }
    print_message("%-14s %-9s %3d of %3d cases agree\n", vocabulary,
                  kind[0] == '\0' ? "plain" : kind + 1, n_agree, n_cases);
    free(in.data);
    free(out.data);
    return n_cases - n_agree;
}

static bool check_case(const struct tokenizer *tokenizer, unsigned flags, const char *text,
                       size_t n_bytes, const char *expected, bool report)
{
    static int32_t ids[MAX_IDS];
    static char got[MAX_IDS * 8], wanted[MAX_IDS * 8];
    struct mscope_error err;
    size_t n_ids, n = 0;
    assert_ok(tokenizer_encode(tokenizer, text, n_bytes, flags, ids, MAX_IDS, &n_ids, &err), &err);
    got[0] = '\0';
    for (size_t i = 0; i < n_ids; i++) {
        n += (size_t)snprintf(got + n, sizeof got - n, " %d", ids[i]);
    }
    n = 0;
    wanted[0] = '\0';
    for (const char *at = expected; *at != '\0';) { /* the reference varies in its spaces */
        char *after;
        long id = strtol(at, &after, 10);
        if (after == at) {
            break;
        }
        n += (size_t)snprintf(wanted + n, sizeof wanted - n, " %ld", id);
        at = after;
    }
    bool agree = strcmp(got, wanted) == 0;
    if (!agree && report) {
        print_message("%s: '%.*s'\n  expected%s\n  got     %s\n", vocabulary, (int)n_bytes, text,
                      wanted, got);
    }
    return agree;
}

/* "id hex hex": the token's text with and without special tokens rendered; "-" is empty. */
static void check_pieces(const struct tokenizer *tokenizer)
{
    struct blob lines;
    if (!read_file(&lines, ".pieces.txt")) {
        return;
    }
    int n_pieces = 0, n_differ = 0;
    char *rest = lines.data;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        int id;
        char want[2][2048];
        assert_int_equal(sscanf(line, "%d %2047s %2047s", &id, want[0], want[1]), 3);
        for (int special = 0; special < 2; special++) {
            char bytes[1024], hex[2049] = "-";
            size_t n = tokenizer_piece(tokenizer, id, special == 1, bytes, sizeof bytes);
            assert_true(n <= sizeof bytes);
            for (size_t i = 0; i < n; i++) {
                snprintf(hex + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
            }
            if (strcmp(hex, want[special]) != 0) {
                print_message("%s: token %d special %d: expected %s, got %s\n", vocabulary, id,
                              special, want[special], hex);
                n_differ++;
            }
        }
        n_pieces++;
    }
    print_message("%-14s pieces    %3d of %3d agree\n", vocabulary, n_pieces - n_differ, n_pieces);
    assert_int_equal(n_differ, 0);
    free(lines.data);
}

static void check_info(const struct tokenizer *tokenizer)
{
    struct blob line;
    if (!read_file(&line, ".info.txt")) {
        return;
    }
    unsigned n_vocab, type;
    int bos, eos, eot, newline, add_bos, add_eos;
    assert_int_equal(sscanf(line.data,
                            "n_vocab=%u type=%u bos=%d eos=%d eot=%d nl=%d add_bos=%d add_eos=%d",
                            &n_vocab, &type, &bos, &eos, &eot, &newline, &add_bos, &add_eos),
                     8);
    assert_int_equal(tokenizer_n_vocab(tokenizer), n_vocab);
    assert_int_equal(tokenizer_bos(tokenizer), bos);
    assert_int_equal(tokenizer_eos(tokenizer), eos);
    assert_int_equal(tokenizer_is_end(tokenizer, eos), eos >= 0);
    assert_int_equal(tokenizer_is_end(tokenizer, eot), eot >= 0);
    int32_t ids[4];
    size_t n_ids;
    struct mscope_error err;
    assert_ok(tokenizer_encode(tokenizer, "", 0, MSCOPE_ADD_SPECIAL, ids, 4, &n_ids, &err), &err);
    assert_int_equal(n_ids, add_bos + add_eos);
    if (add_bos) {
        assert_int_equal(ids[0], bos);
    }
    free(line.data);
}

static bool read_stream(struct blob *out, FILE *file)
{
    size_t capacity = 0;
    *out = (struct blob){0};
    for (;;) {
        if (out->n_bytes + 65536 >= capacity) {
            capacity = capacity * 2 + 131072;
            out->data = realloc(out->data, capacity);
            assert_non_null(out->data);
        }
        size_t n = fread(out->data + out->n_bytes, 1, 65536, file);
        out->n_bytes += n;
        if (n == 0) {
            break;
        }
    }
    out->data[out->n_bytes] = '\0';
    return out->n_bytes > 0;
}

static bool read_file(struct blob *out, const char *suffix)
{
    char path[2 * MAX_PATH];
    snprintf(path, sizeof path, "%s/ggml-vocab-%s%s", folder, vocabulary, suffix);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    bool ok = read_stream(out, file);
    fclose(file);
    return ok;
}

static bool read_gz(struct blob *out)
{
    char command[2 * MAX_PATH];
    snprintf(command, sizeof command, "gzip -dc '%s/ggml-vocab-%s.gguf.gz'", folder, vocabulary);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) {
        return false;
    }
    bool ok = read_stream(out, pipe);
    return pclose(pipe) == 0 && ok;
}

int main(void)
{
    static const char prefix[] = "ggml-vocab-", suffix[] = ".gguf.gz";
    const char *golden = unit_golden("golden tokenizers");
    if (golden == NULL) {
        return UNIT_SKIPPED;
    }
    snprintf(folder, sizeof folder, "%s/tokenizers", golden);
    struct dirent **entries;
    int n_entries = scandir(folder, &entries, NULL, alphasort);
    int n_failed = 0, n_found = 0;
    for (int i = 0; i < n_entries; i++) {
        const char *name = entries[i]->d_name;
        size_t n = strlen(name);
        if (strncmp(name, prefix, sizeof prefix - 1) == 0 && n > sizeof prefix + sizeof suffix &&
            strcmp(name + n - (sizeof suffix - 1), suffix) == 0) {
            snprintf(vocabulary, sizeof vocabulary, "%.*s",
                     (int)(n - (sizeof prefix - 1) - (sizeof suffix - 1)),
                     name + sizeof prefix - 1);
            const struct CMUnitTest tests[] = {cmocka_unit_test(vocabulary_agrees)};
            n_failed += cmocka_run_group_tests_name(vocabulary, tests, NULL, NULL);
            n_found++;
        }
        free(entries[i]);
    }
    if (n_entries >= 0) {
        free(entries);
    }
    if (n_found == 0) {
        printf("SKIP golden tokenizers: no vocabularies in %s\n", folder);
        return UNIT_SKIPPED;
    }
    return n_failed;
}
