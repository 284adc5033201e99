/* SPDX-License-Identifier: MIT */
/* The option parser: typed values, every kind of usage error with its exact line, suggestions. */
#include "cli/cli.h"
#include "cli/options.h"
#include "unit.h"

#include <string.h>

static const struct option_argument arguments[] = {
    {"IN", false, "what to read"},
    {"OUT", true, "what to write"},
    {0},
};

static const struct option_spec specs[] = {
    {.name = "count",
     .letter = 'n',
     .type = OPTION_INT,
     .value_name = "N",
     .fallback = "7",
     .min = -1,
     .max = 100},
    {.name = "temp",
     .type = OPTION_FLOAT,
     .value_name = "T",
     .fallback = "0.5",
     .min = 0,
     .max = 2},
    {.name = "seed", .type = OPTION_U64, .value_name = "S", .fallback = "0"},
    {.name = "text", .letter = 'p', .type = OPTION_TEXT, .value_name = "TEXT"},
    {.name = "kind", .type = OPTION_CHOICE, .value_name = "K", .choices = "red|green"},
    {.name = "stop", .type = OPTION_LIST, .value_name = "TEXT"},
    {.name = "also", .type = OPTION_LIST, .value_name = "TEXT"},
    {.name = "quiet", .letter = 'q', .type = OPTION_FLAG},
    {0},
};

static const struct option_table table = {arguments, specs};

static struct options options;
static char message[OPTIONS_MESSAGE_BYTES];

/* Parses up to nine words; the list ends with NULL. */
static bool parse(const char *const *words)
{
    int n = 0;
    while (words[n] != NULL) {
        n++;
    }
    message[0] = '\0';
    return options_parse(&options, &table, n, words, message);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})
#define REFUSED(expected, ...)                                                                     \
    do {                                                                                           \
        assert_false(PARSE(__VA_ARGS__));                                                          \
        assert_string_equal(message, expected);                                                    \
    } while (0)

static void defaults_hold_until_given(void **state)
{
    (void)state;
    assert_true(PARSE("in"));
    assert_int_equal(options_int(&options, "count"), 7);
    assert_true(options_float(&options, "temp") == 0.5);
    assert_null(options_text(&options, "text"));
    assert_null(options_text(&options, "kind"));
    assert_null(options_listed(&options, "stop", 0));
    assert_false(options_flag(&options, "quiet"));
    assert_false(options_given(&options, "count"));
    assert_string_equal(options_argument(&options, 0), "in");
    assert_null(options_argument(&options, 1));
}

static void every_spelling_gives_the_value(void **state)
{
    (void)state;
    assert_true(
        PARSE("-n", "-1", "in", "--temp=1.25", "--seed", "18446744073709551615", "-q", "out"));
    assert_int_equal(options_int(&options, "count"), -1);
    assert_true(options_given(&options, "count"));
    assert_true(options_float(&options, "temp") == 1.25);
    assert_true(options_u64(&options, "seed") == UINT64_MAX);
    assert_true(options_flag(&options, "quiet"));
    assert_string_equal(options_argument(&options, 1), "out");

    assert_true(PARSE("in", "--text", "--looks-like-an-option", "--kind=green"));
    assert_string_equal(options_text(&options, "text"), "--looks-like-an-option");
    assert_string_equal(options_text(&options, "kind"), "green");
    assert_true(PARSE("in", "-p", "", "--text=a=b"));
    assert_string_equal(options_text(&options, "text"), "a=b");
    assert_true(PARSE("--", "-n", "--quiet"));
    assert_string_equal(options_argument(&options, 0), "-n");
    assert_string_equal(options_argument(&options, 1), "--quiet");
    assert_false(options_flag(&options, "quiet"));
    assert_true(PARSE("-"));
    assert_string_equal(options_argument(&options, 0), "-");
}

static void the_last_of_a_scalar_and_all_of_a_list_count(void **state)
{
    (void)state;
    assert_true(PARSE("in", "-n", "1", "--count", "2", "--stop", "a", "--also=x", "--stop=b"));
    assert_int_equal(options_int(&options, "count"), 2);
    assert_string_equal(options_listed(&options, "stop", 0), "a");
    assert_string_equal(options_listed(&options, "stop", 1), "b");
    assert_null(options_listed(&options, "stop", 2));
    assert_string_equal(options_listed(&options, "also", 0), "x");

    const char *words[2 * (OPTIONS_MAX_LISTED + 1) + 2] = {"in"};
    for (int i = 0; i <= OPTIONS_MAX_LISTED; i++) {
        words[1 + 2 * i] = "--stop";
        words[2 + 2 * i] = "x";
    }
    assert_false(parse(words));
    assert_string_equal(message, "option --stop given too often, at most 64 times");
    words[1 + 2 * OPTIONS_MAX_LISTED] = NULL;
    assert_true(parse(words));
}

static void help_wins_over_what_is_missing(void **state)
{
    (void)state;
    assert_true(PARSE("--help"));
    assert_true(options.help);
    assert_true(PARSE("-h", "--nonsense"));
    assert_true(options.help);
    assert_true(PARSE("in", "--", "-h"));
    assert_false(options.help);
}

static void usage_errors_name_option_value_and_expectation(void **state)
{
    (void)state;
    REFUSED("missing argument IN", "-q");
    REFUSED("unexpected argument 'c'", "a", "b", "c");
    REFUSED("unknown option '--cuont', did you mean '--count'?", "in", "--cuont", "3");
    REFUSED("unknown option '--temperature', did you mean '--temp'?", "in", "--temperature=3");
    REFUSED("unknown option '--hepl', did you mean '--help'?", "--hepl");
    REFUSED("unknown option '--zzz'", "in", "--zzz");
    REFUSED("unknown option '-x'", "in", "-x");
    REFUSED("unknown option '-count', did you mean '--count'?", "in", "-count");
    REFUSED("unknown option '-n5'", "in", "-n5");
    REFUSED("option --count needs a value N", "in", "--count");
    REFUSED("option -p needs a value TEXT", "in", "-p");
    REFUSED("option --quiet takes no value", "in", "--quiet=1");
    REFUSED("option --count: value '101', expected a whole number from -1 to 100", "in", "--count",
            "101");
    REFUSED("option -n: value '3x', expected a whole number from -1 to 100", "in", "-n", "3x");
    REFUSED("option -n: value ' 3', expected a whole number from -1 to 100", "in", "-n", " 3");
    REFUSED("option --count: value '', expected a whole number from -1 to 100", "in", "--count=");
    REFUSED("option --count: value '99999999999999999999', expected a whole number from -1 to 100",
            "in", "--count=99999999999999999999");
    REFUSED("option --temp: value 'nan', expected a number from 0 to 2", "in", "--temp", "nan");
    REFUSED("option --temp: value '-0.1', expected a number from 0 to 2", "in", "--temp", "-0.1");
    REFUSED("option --temp: value 'inf', expected a number from 0 to 2", "in", "--temp", "inf");
    REFUSED("option --seed: value '-1', expected a whole number of 64 bits", "in", "--seed", "-1");
    REFUSED("option --seed: value '18446744073709551616', expected a whole number of 64 bits", "in",
            "--seed=18446744073709551616");
    REFUSED("option --kind: value 'blue', expected one of red|green", "in", "--kind", "blue");
    REFUSED("option --kind: value 'red|green', expected one of red|green", "in", "--kind",
            "red|green");
    REFUSED("option --kind: value '', expected one of red|green", "in", "--kind=");
}

static void messages_are_one_printable_line(void **state)
{
    (void)state;
    REFUSED("unknown option '--a?b?[2J'", "in", "--a\nb\x1b[2J");
    char words[4000];
    memset(words, 'x', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    assert_false(PARSE("a", "b", words));
    assert_true(strlen(message) < OPTIONS_MESSAGE_BYTES);
    words[0] = words[1] = '-';
    assert_false(PARSE(words));
    assert_true(strlen(message) < OPTIONS_MESSAGE_BYTES);
}

static void suggestions_are_near_and_only_near(void **state)
{
    (void)state;
    const char *const verbs[] = {"info", "run", "logits", "tokenize", "perplexity"};
    assert_string_equal(options_nearest("inof", verbs, 5), "info");
    assert_string_equal(options_nearest("logit", verbs, 5), "logits");
    assert_string_equal(options_nearest("tok", verbs, 5), "tokenize");
    assert_string_equal(options_nearest("perplexitty", verbs, 5), "perplexity");
    assert_string_equal(options_nearest("rnu", verbs, 5), "run");
    assert_null(options_nearest("serve", verbs, 5));
    assert_null(options_nearest("", verbs, 5));
    assert_null(options_nearest("x", verbs, 5));
}

static void every_verb_has_a_sound_table(void **state)
{
    (void)state;
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        assert_ptr_equal(cli_find_verb(verb->name), verb);
        assert_true(verb->purpose[0] != '\0' && verb->text[0] != '\0' && verb->run != NULL);
        assert_non_null(verb->examples[0].command);
        assert_int_equal(strncmp(verb->examples[0].command, verb->name, strlen(verb->name)), 0);
        for (int i = 0; verb->table.specs[i].name != NULL; i++) {
            assert_non_null(verb->table.specs[i].help);
            assert_true((verb->table.specs[i].type == OPTION_FLAG) ==
                        (verb->table.specs[i].value_name == NULL));
            for (int k = 0; k < i; k++) {
                assert_string_not_equal(verb->table.specs[i].name, verb->table.specs[k].name);
                assert_true(verb->table.specs[i].letter == 0 ||
                            verb->table.specs[i].letter != verb->table.specs[k].letter);
            }
        }
        const char *const help[] = {"--help"};
        assert_true(
            options_parse(&options, &verb->table, 1, help, message)); /* checks the defaults too */
        assert_true(options.help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_until_given),
        cmocka_unit_test(every_spelling_gives_the_value),
        cmocka_unit_test(the_last_of_a_scalar_and_all_of_a_list_count),
        cmocka_unit_test(help_wins_over_what_is_missing),
        cmocka_unit_test(usage_errors_name_option_value_and_expectation),
        cmocka_unit_test(messages_are_one_printable_line),
        cmocka_unit_test(suggestions_are_near_and_only_near),
        cmocka_unit_test(every_verb_has_a_sound_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
