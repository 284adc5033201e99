/* SPDX-License-Identifier: MIT */
/* Continues a prompt greedily. Build: cc example.c $(pkg-config --cflags --libs moescope) */
#include <moescope.h>
#include <stdio.h>
#include <string.h>

#define TRY(call)                                                                                  \
    if ((call) != MSCOPE_OK) {                                                                     \
        return fprintf(stderr, "%s: %s\n", err.object, err.detail), 1;                             \
    }

int main(int argc, char **argv)
{
    struct mscope_error err = {0, "usage", "example MODEL PROMPT"};
    struct mscope_model *model = NULL;
    struct mscope_engine *engine = NULL;
    struct mscope_session *session = NULL;
    TRY(argc == 3 ? MSCOPE_OK : MSCOPE_ERR_ARGUMENT);
    TRY(mscope_model_open(&model, argv[1], MSCOPE_PART_ALL, &err));
    TRY(mscope_engine_open(&engine, model, NULL, &err));
    TRY(mscope_session_open(&session, engine, NULL, &err));

    int32_t ids[1024];
    size_t n_ids, n_bytes;
    int n_vocab = (int)mscope_model_get_info(model)->n_vocab;
    TRY(mscope_tokenize(model, argv[2], strlen(argv[2]), MSCOPE_ADD_SPECIAL, ids, 1024, &n_ids,
                        &err));
    for (int i = 0; i < 64; i++) { /* the prompt first, then one token at a time */
        TRY(mscope_eval(session, ids, (int)n_ids, MSCOPE_OUTPUT_LAST, &err));
        ids[0] = mscope_greedy(mscope_engine_logits(engine, 0), n_vocab);
        n_ids = 1;
        char piece[256];
        TRY(mscope_detokenize(model, ids, n_ids, false, piece, sizeof piece, &n_bytes, &err));
        fwrite(piece, 1, n_bytes, stdout);
    }
    mscope_session_close(&session);
    mscope_engine_close(&engine);
    mscope_model_close(&model);
    return 0;
}
