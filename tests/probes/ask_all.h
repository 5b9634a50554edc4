/* Every question of ask.h, ask_hosts.h and ask_libc.h, and questions that are made of others:
 *
 *   QUESTION; QUESTION      asked one after the other; the answers are separated by "; ", too
 *   all QUESTION            asked until nothing is found; the rows are separated by tabs, and an error
 *                           other than ENOENT is the last of them */
#ifndef ASK_ALL_H
#define ASK_ALL_H
#include "ask_hosts.h"
#include "ask_libc.h"

static inline void answer_one(struct asker *a, const char *question);

static inline int is_row(const char *answer)
{
    return strncmp(answer, "none", 4) && strncmp(answer, "error ", 6);
}

static inline void all(struct asker *a, const char *question)
{
    size_t start = a->text.len, last;
    do {
        if (a->text.len > start)
            say(&a->text, "\t");
        last = a->text.len;
        answer_one(a, question);
    } while (is_row(a->text.at + last));
    /* The usual end, that there is no other row, is not shown. */
    if (!strcmp(a->text.at + last, "none") || !strcmp(a->text.at + last, "error ENOENT"))
        a->text.at[a->text.len = last > start ? last - 1 : last] = 0;
}

static inline void answer_one(struct asker *a, const char *question)
{
    if (!strncmp(question, "all ", 4))
        all(a, question + 4);
    else if (!answer_from(user_verbs, a, question) && !answer_from(host_verbs, a, question) &&
             !answer_from(libc_verbs, a, question)) {
        fprintf(stderr, "%s?\n", question);
        exit(2);
    }
}

static inline void answer(struct asker *a, const char *questions)
{
    char copy[1 << 14], *rest = copy;
    snprintf(copy, sizeof copy, "%s", questions);
    while (rest) {
        char *question = strsep(&rest, ";");
        answer_one(a, question + strspn(question, " "));
        if (rest)
            say(&a->text, "; ");
    }
}

/* Answers into an empty text. */
static inline const char *answer_anew(struct asker *a, const char *questions)
{
    a->text.at[a->text.len = 0] = 0;
    answer(a, questions);
    return a->text.at;
}

/* An asker with a text and a buffer of its own; NULL without memory. */
static inline struct asker *new_asker(size_t text, size_t len)
{
    struct asker *a = calloc(1, sizeof *a);
    if (!a || !(a->text.at = calloc(1, text)) || !(a->buf = calloc(1, len)))
        return NULL;
    a->text.room = text;
    a->len = len;
    return a;
}

static inline void free_asker(struct asker *a)
{
    free(a->text.at);
    free(a->buf);
    free(a);
}
#endif
