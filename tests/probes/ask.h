/* The questions about users, groups and shadow entries that ask.c and other probes answer, and how
 * an answer is given. A question is a function of libc and its arguments, "getpwnam bob"; its answer
 * is one line:
 *
 *   the row (say.h)       found
 *   none                  not found
 *   error ERANGE          the error that a function leaves in errno. One with _r returns it, too; if it is not in
 *                         errno then, as it is in glibc, ", not in errno" follows (except at an enumeration's end)
 *
 * A function with _r takes the length of the buffer as an optional last argument. If a function changes
 * errno, the answer ends with " errno " and the new value. An argument is a word, in which %20 stands
 * for a blank, and so on for other bytes. */
#ifndef ASK_H
#define ASK_H
#include "say.h"
#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

enum { UNTOUCHED = 7777, WORDS = 10 };

/* Who asks: the answer so far, and the buffer for functions with _r. */
struct asker {
    struct text text;
    char *buf;
    size_t len;
};

struct verb {
    const char *name;
    void (*answer)(struct asker *a, char **words);
};

/* The result pointer before a call. A function that finds nothing must store NULL over it. */
#define LEFT_ALONE ((void *)a)

typedef void say_row(struct text *, const void *row, const struct place *place);

static inline void say_changed_errno(struct asker *a, int error)
{
    if (error != UNTOUCHED) {
        say(&a->text, " errno ");
        say_errno(&a->text, error);
    }
}

/* Says the answer of a function with _r, which was called with the struct `own` and `len` bytes. */
static inline void give(struct asker *a, int rc, const void *found, const void *own, size_t len, say_row *row)
{
    int error = errno;
    struct place place = { a->buf, len };
    if (rc) {
        say(&a->text, "error ");
        say_errno(&a->text, rc);
        if (found)
            say(&a->text, found == LEFT_ALONE ? ", result left alone" : ", and a result");
        if (rc != ENOENT && error == UNTOUCHED)
            say(&a->text, ", not in errno");
        error = error == rc ? UNTOUCHED : error;
    } else if (!found) {
        say(&a->text, "none");
    } else if (found != own) {
        say(&a->text, "result left alone");
    } else {
        row(&a->text, found, &place);
    }
    say_changed_errno(a, error);
}

/* Says the answer of a function without _r. */
static inline void give_static(struct asker *a, const void *found, say_row *row)
{
    int error = errno;
    if (!found && error && error != UNTOUCHED) {
        say(&a->text, "error ");
        say_errno(&a->text, error);
        return;
    }
    if (found)
        row(&a->text, found, NULL);
    else
        say(&a->text, "none");
    say_changed_errno(a, error);
}

static inline unsigned number(const char *word)
{
    return word ? (unsigned)strtoul(word, NULL, 0) : 0;
}

/* The length of the buffer: the optional argument, or all of it. */
static inline size_t length(const struct asker *a, const char *word)
{
    return word ? strtoul(word, NULL, 10) : a->len;
}

#define ROW(function, row, ...)                                                                           \
    static void ask_##function(struct asker *a, char **w)                                                 \
    {                                                                                                     \
        (void)w;                                                                                          \
        errno = UNTOUCHED;                                                                                \
        give_static(a, function(__VA_ARGS__), row);                                                       \
    }

/* `at` is the index of the argument with the length. */
#define ROW_R(function, type, row, at, ...)                                                               \
    static void ask_##function(struct asker *a, char **w)                                                 \
    {                                                                                                     \
        struct type own, *found = LEFT_ALONE;                                                             \
        size_t len = length(a, w[at]);                                                                    \
        memset(&own, 0xee, sizeof own);                                                                   \
        errno = UNTOUCHED;                                                                                \
        int rc = function(__VA_ARGS__ &own, a->buf, len, &found);                                         \
        give(a, rc, found, &own, len, row);                                                               \
    }

#define NOTHING(function, ...)                                                                            \
    static void ask_##function(struct asker *a, char **w)                                                 \
    {                                                                                                     \
        (void)w;                                                                                          \
        errno = UNTOUCHED;                                                                                \
        function(__VA_ARGS__);                                                                            \
        int error = errno;                                                                                \
        say(&a->text, "done");                                                                            \
        say_changed_errno(a, error);                                                                      \
    }

ROW(getpwnam, say_passwd, w[0])
ROW(getpwuid, say_passwd, number(w[0]))
ROW(getpwent, say_passwd, )
ROW_R(getpwnam_r, passwd, say_passwd, 1, w[0], )
ROW_R(getpwuid_r, passwd, say_passwd, 1, number(w[0]), )
NOTHING(setpwent, )
NOTHING(endpwent, )
ROW(getgrnam, say_group, w[0])
ROW(getgrgid, say_group, number(w[0]))
ROW(getgrent, say_group, )
ROW_R(getgrnam_r, group, say_group, 1, w[0], )
ROW_R(getgrgid_r, group, say_group, 1, number(w[0]), )
NOTHING(setgrent, )
NOTHING(endgrent, )
ROW(getspnam, say_shadow, w[0])
ROW(getspent, say_shadow, )
ROW_R(getspnam_r, spwd, say_shadow, 1, w[0], )
NOTHING(setspent, )
NOTHING(endspent, )

#ifdef __GLIBC__ /* musl lacks them */
ROW_R(getpwent_r, passwd, say_passwd, 0, )
ROW_R(getgrent_r, group, say_group, 0, )
ROW_R(getspent_r, spwd, say_shadow, 0, )

/* fgetspent FILE: every entry that libc's own parser finds there. */
static void ask_fgetspent(struct asker *a, char **w)
{
    FILE *file = fopen(w[0], "re");
    struct spwd own, *found;
    const char *separator = "";
    while (file && !fgetspent_r(file, &own, a->buf, a->len, &found)) {
        say(&a->text, "%s", separator);
        say_shadow(&a->text, found, NULL);
        separator = "\t";
    }
    if (file)
        fclose(file);
}
#endif

/* getgrouplist NAME GID [ROOM]: the result, the count, and the groups that were stored. "-1 of 3: 7 100" is
 * the answer if there are three groups and room for two. */
static void ask_getgrouplist(struct asker *a, char **w)
{
    gid_t *gids = (gid_t *)(void *)a->buf;
    int most = (int)(a->len / sizeof *gids), room = w[2] ? (int)number(w[2]) : most, count = room;
    memset(gids, 0xee, (size_t)most * sizeof *gids);
    errno = UNTOUCHED;
    int rc = getgrouplist(w[0], number(w[1]), gids, &count);
    int error = errno;
    say(&a->text, "%d of %d:", rc, count);
    for (int i = 0; i < most && gids[i] != 0xeeeeeeee; i++)
        say(&a->text, " %u", gids[i]);
    say_changed_errno(a, error);
}

/* initgroups NAME GID */
static void ask_initgroups(struct asker *a, char **w)
{
    errno = UNTOUCHED;
    int rc = initgroups(w[0], number(w[1])), error = errno;
    say(&a->text, "%d", rc);
    say_changed_errno(a, error);
}

static void ask_getgroups(struct asker *a, char **w)
{
    gid_t *gids = (gid_t *)(void *)a->buf;
    int count = getgroups((int)(a->len / sizeof *gids), gids);
    (void)w;
    for (int i = 0; i < count; i++)
        say(&a->text, "%s%u", i ? " " : "", gids[i]);
}

#define VERB(function) { #function, ask_##function }

static const struct verb user_verbs[] = {
    VERB(getpwnam), VERB(getpwuid), VERB(getpwent), VERB(getpwnam_r), VERB(getpwuid_r), VERB(setpwent),
    VERB(endpwent), VERB(getgrnam), VERB(getgrgid), VERB(getgrent), VERB(getgrnam_r), VERB(getgrgid_r),
    VERB(setgrent), VERB(endgrent), VERB(getspnam), VERB(getspent), VERB(getspnam_r), VERB(setspent),
    VERB(endspent), VERB(getgrouplist), VERB(initgroups), VERB(getgroups),
#ifdef __GLIBC__
    VERB(getpwent_r), VERB(getgrent_r), VERB(getspent_r), VERB(fgetspent),
#endif
    { NULL, NULL },
};

static inline void decode(char *word)
{
    char *to = word;
    for (; *word; word++) {
        unsigned byte;
        if (*word == '%' && isxdigit((unsigned char)word[1]) && sscanf(word + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            word += 2;
        } else {
            *to++ = *word;
        }
    }
    *to = 0;
}

/* Answers one question out of `verbs`; 0 if its verb is not among them. */
static inline int answer_from(const struct verb *verbs, struct asker *a, const char *question)
{
    char copy[4096], *rest = copy, *words[WORDS] = { 0 };
    snprintf(copy, sizeof copy, "%s", question);
    const char *name = strsep(&rest, " ");
    while (verbs->name && strcmp(verbs->name, name))
        verbs++;
    if (!verbs->name)
        return 0;
    for (int i = 0; rest && i < WORDS - 1; i++)
        decode(words[i] = strsep(&rest, " "));
    verbs->answer(a, words);
    return 1;
}
#endif
