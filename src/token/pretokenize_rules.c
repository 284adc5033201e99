/* SPDX-License-Identifier: MIT */
/*
 * The table of pre-tokenizers: names as written in tokenizer.ggml.pre, and their expressions as
 * llama.cpp effectively applies them. That means (docs/TOKENIZERS.md):
 *   - white space is the 25 characters of the Unicode property White_Space, spelled out here
 * because \s of PCRE2 has one more (U+180E);
 *   - scripts listed by range lose the white space that lies inside those ranges;
 *   - upper and lower case of the gpt-4o kind are told apart for ASCII only, and marks are not
 * letters there.
 */
#include "token/pretokenize.h"

#include <string.h>

#define BLANKS                                                                                     \
    " \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define WHITE        "\\t-\\r" BLANKS
#define SPACE        "[" WHITE "]"
#define LAST_SPACES  SPACE "+(?![^" WHITE "])|" SPACE "+"
#define CONTRACTIONS "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"

#define GPT2 "'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^" WHITE "\\p{L}\\p{N}]+|" LAST_SPACES

/* llama-3 and its many relatives: what is a word, how many digits go together, and the rest. */
#define WORDS          "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define REST(tail)     " ?[^" WHITE "\\p{L}\\p{N}]+[" tail "]*|" SPACE "*[\\r\\n]+|" LAST_SPACES
#define LLAMA3(digits) CONTRACTIONS "|" WORDS "|" digits "|" REST("\\r\\n")

/* gpt-4o: a word is upper-case letters and then lower-case letters; other scripts count as both. */
#define UPPER "[^\\P{L}a-z]"
#define LOWER "[^\\P{L}A-Z]"
#define CASED(tail)                                                                                \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER    \
    "*" tail

/* U+0800 to U+9FA5 and U+AC00 to U+D7FF, without white space. */
#define CJK_WIDE                                                                                   \
    "[\\x{800}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}\\x{2030}-\\x{"   \
    "205E}"                                                                                        \
    "\\x{2060}-\\x{2FFF}\\x{3001}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+"
#define CJK_KANA "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"

/* Cased letters of the scripts that deepseek-llm lists. */
#define DEEPSEEK_LETTERS                                                                           \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}"                 \
    "\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}"         \
    "\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}"                  \
    "\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}"                       \
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"                 \
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}"                 \
    "\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}"        \
    "\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}"         \
    "\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}"                 \
    "\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}"                  \
    "\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}"                   \
    "\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}"        \
    "\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}"         \
    "\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"                  \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}"                 \
    "\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}"               \
    "\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"         \
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"

/* jais-2: one length of white space that does not end right before other text. */
#define RUN(n) SPACE "{" n "}(?![^" WHITE "])|"

#define ASCII_PUNCTUATION "!-/:-@\\[-`{-~"

#define BLOOM " ?[^(" WHITE "|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"

#define LIST(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* Names of the same expressions. */
#define NAMES_GPT_2                                                                                \
    "gpt-2", "gpt-neox", "dolma", "stablelm", "olmo", "phi-2", "mpt", "jais", "trillion",          \
        "granite-docling", "gigachat", "a.x-4.0", "mellum", "exaone4"
#define NAMES_DEFAULT "default"
#define NAMES_LLAMA_BPE                                                                            \
    "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"
#define NAMES_DBRX "dbrx", "smaug-bpe", "chatglm-bpe", "glm4"
#define NAMES_QWEN2                                                                                \
    "qwen2", "stablelm2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "hunyuan",             \
        "solar-open", "grok-2"
#define NAMES_QWEN35         "qwen35"
#define NAMES_MINICPM5       "minicpm5"
#define NAMES_LAGUNA         "laguna"
#define NAMES_SEED_CODER     "seed-coder"
#define NAMES_BAILINGMOE     "bailingmoe", "bailingmoe2", "llada-moe"
#define NAMES_EXAONE_MOE     "exaone-moe"
#define NAMES_GPT_4O         "gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"
#define NAMES_TEKKEN         "tekken"
#define NAMES_DEEPSEEK_LLM   "deepseek-llm"
#define NAMES_DEEPSEEK_CODER "deepseek-coder"
#define NAMES_DEEPSEEK_V3    "deepseek-v3", "hunyuan-dense", "joyai-llm"
#define NAMES_YOUTU          "youtu"
#define NAMES_FALCON         "falcon"
#define NAMES_STARCODER                                                                            \
    "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"
#define NAMES_BLOOM  "bloom", "poro-chat", "gpt3-finnish"
#define NAMES_VIKING "viking"
#define NAMES_JAIS_2 "jais-2"

static const char *const all_names[] = {
    NAMES_GPT_2,
    NAMES_DEFAULT,
    NAMES_LLAMA_BPE,
    NAMES_DBRX,
    NAMES_QWEN2,
    NAMES_QWEN35,
    NAMES_MINICPM5,
    NAMES_LAGUNA,
    NAMES_SEED_CODER,
    NAMES_BAILINGMOE,
    NAMES_EXAONE_MOE,
    NAMES_GPT_4O,
    NAMES_TEKKEN,
    NAMES_DEEPSEEK_LLM,
    NAMES_DEEPSEEK_CODER,
    NAMES_DEEPSEEK_V3,
    NAMES_YOUTU,
    NAMES_FALCON,
    NAMES_STARCODER,
    NAMES_BLOOM,
    NAMES_VIKING,
    NAMES_JAIS_2,
    NULL,
};

static const struct pretokenize_rule rules[] = {
    {
        .names = LIST(NAMES_GPT_2),
        .expressions = LIST(GPT2),
    },
    {
        .names = LIST(NAMES_DEFAULT),
        .expressions = LIST("[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"),
    },
    {
        .names = LIST(NAMES_LLAMA_BPE),
        .expressions = LIST(LLAMA3("\\p{N}{1,3}")),
        .ignore_merges = true,
        .add_bos = true,
    },
    {
        .names = LIST(NAMES_DBRX),
        .expressions = LIST(LLAMA3("\\p{N}{1,3}")),
    },
    {
        .names = LIST(NAMES_QWEN2),
        .expressions = LIST(LLAMA3("\\p{N}")),
    },
    {
        .names = LIST(NAMES_QWEN35),
        .expressions =
            LIST(CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" WHITE
                              "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACE "*[\\r\\n]+|" LAST_SPACES),
    },
    {
        .names = LIST(NAMES_MINICPM5),
        .expressions = LIST("\\p{N}{1,3}", LLAMA3("\\p{N}+")),
        .ignore_merges = true,
    },
    {
        .names = LIST(NAMES_LAGUNA),
        .expressions = LIST("[^\\n]+|[\\n]+", LLAMA3("\\p{N}")),
    },
    {
        .names = LIST(NAMES_SEED_CODER),
        .expressions = LIST(CONTRACTIONS "|" WORDS "|\\p{N}| ?[^" WHITE "\\p{L}\\p{N}]+|" SPACE
                                         "*[\\r\\n]+|" LAST_SPACES),
    },
    {
        .names = LIST(NAMES_BAILINGMOE),
        .expressions = LIST(CONTRACTIONS "|" WORDS "|\\p{N}| ?[^" WHITE
                                         "\\p{L}\\p{N}]+[\\r\\n]*|" SPACE "*[\\r\\n]|" LAST_SPACES),
    },
    {
        /* letters of one word may be separated by single spaces; possessive, as nothing follows */
        .names = LIST(NAMES_EXAONE_MOE),
        .expressions = LIST(
            CONTRACTIONS
            "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++|\\p{N}| ?[^" WHITE
            "\\p{L}\\p{N}]+[\\r\\n/]?|" SPACE "*[\\r\\n]|" LAST_SPACES),
    },
    {
        .names = LIST(NAMES_GPT_4O),
        .expressions = LIST(CASED("(?:" CONTRACTIONS ")?") "|\\p{N}{1,3}|" REST("\\r\\n/")),
    },
    {
        .names = LIST(NAMES_TEKKEN),
        .expressions = LIST(CASED("") "|\\p{N}|" REST("\\r\\n/")),
        .ignore_merges = true,
        .add_bos = true,
    },
    {
        .names = LIST(NAMES_DEEPSEEK_LLM),
        .expressions =
            LIST("[\\r\\n]", SPACE "?[" DEEPSEEK_LETTERS "]+",
                 SPACE "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}"
                       "\\x{3001}\\x{3002}]+",
                 /* the start of a run, else a long run inside a piece costs its square */
                 "(?<!" SPACE ")" SPACE "++$", CJK_WIDE, "\\p{N}+"),
    },
    {
        .names = LIST(NAMES_DEEPSEEK_CODER),
        .expressions = LIST("[\\r\\n]", SPACE "?\\p{L}+", SPACE "?\\p{P}+", CJK_WIDE, "\\p{N}"),
    },
    {
        .names = LIST(NAMES_DEEPSEEK_V3),
        .expressions =
            LIST("\\p{N}{1,3}", CJK_KANA,
                 "[" ASCII_PUNCTUATION "][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
                 " ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE "*[\\r\\n]+|" LAST_SPACES),
    },
    {
        .names = LIST(NAMES_YOUTU),
        .expressions = LIST(
            "[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|"
            "[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}"
            "\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|" CJK_KANA,
            "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+(?:" CONTRACTIONS ")?|\\p{N}|" REST("\\r\\n/")),
        .ignore_merges = true,
    },
    {
        .names = LIST(NAMES_FALCON),
        .expressions = LIST("[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"),
    },
    {
        .names = LIST(NAMES_STARCODER),
        .expressions = LIST("\\p{N}", GPT2),
    },
    {
        .names = LIST(NAMES_BLOOM),
        .expressions = LIST(BLOOM),
    },
    {
        /*
         * White space in runs of powers of two. A run is searched for a line end once and not again
         * from inside: behind white space other than a line end there can be none.
         */
        .names = LIST(NAMES_JAIS_2),
        .expressions =
            LIST(CONTRACTIONS "|" WORDS "|\\p{N}{1,3}| ?[^" WHITE "\\p{L}\\p{N}]+[\\r\\n]*|"
                              "(?<![\\t\\x{B}\\x{C}" BLANKS "])" SPACE "*[\\r\\n]+|" RUN("512")
                                  RUN("256") RUN("128") RUN("64") RUN("32") RUN("16") RUN("8")
                                      RUN("4") RUN("1,2") SPACE),
    },
    {
        .names = LIST(NAMES_VIKING),
        .expressions = LIST(BLOOM, "\\p{N}"),
    },
};

enum { N_RULES = sizeof rules / sizeof rules[0] };

const struct pretokenize_rule *pretokenize_find(const char *name, size_t n_bytes)
{
    for (size_t i = 0; i < N_RULES; i++) {
        for (const char *const *known = rules[i].names; *known != NULL; known++) {
            if (strlen(*known) == n_bytes && memcmp(*known, name, n_bytes) == 0) {
                return &rules[i];
            }
        }
    }
    return NULL;
}

const char *const *pretokenize_names(void)
{
    return all_names;
}
