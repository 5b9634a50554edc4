/* memory KIND QUESTION ANSWER...: asks all questions while the first allocation fails, then while the second
 * one fails, and so on until none fails, each time in a child. An answer must be the ANSWER beside its question,
 * or say that there was no memory; it may have no wrong row before that. failing_malloc must be preloaded.
 *
 *   cold     afterwards the same again, with all later allocations failing, too
 *   warm     each child asks the questions once before allocations fail
 *   libc     libc itself makes the lookups. Answers may stay wrong, because libc remembers for good that it
 *            could not load a module. A few crashes are allowed, because libc's nss_database_reload crashes
 *            without memory, in a program without the library, too
 *   thread   just this: every second question is asked by a new thread for which every allocation fails
 *
 * Except with libc, all answers must be right in the end, when there is memory again.
 *
 * Prints how many children had an allocation fail, and how many of them said so in an answer. */
#define _GNU_SOURCE
#include "ask_all.h"
#include <pthread.h>
#include <sys/wait.h>

enum { RIGHT = 0, FAILED = 77, SAID_SO = 78, LIBC_CRASHES = 2, MOST = 2000 };

static char **script; /* questions and answers in turn */
static long nth;

/* Without stdio, which allocates memory. */
static void die(const char *what, const char *question, const char *answer, const char *want)
{
    char text[4096];
    int len = snprintf(text, sizeof text, "allocation %ld: %s: %s: %.1000s, not %.1000s\n", nth, what, question,
                       answer, want);
    if (write(2, text, (size_t)len) != len)
        _exit(3);
    _exit(2);
}

/* Without memory the list of groups is the given one alone, as in glibc: callers take an error for a lack of room. */
static int is_given_group(const char *question, const char *answer)
{
    unsigned long gid;
    char alone[64];
    if (sscanf(question, "getgrouplist %*s %lu", &gid) != 1)
        return 0;
    snprintf(alone, sizeof alone, "1 of 1: %lu", gid);
    return !strcmp(answer, alone);
}

/* True if the answer says that there was no memory, and is right up to there. */
static int says_so(const char *question, const char *answer, const char *want)
{
    if (is_given_group(question, answer))
        return 1;
    static const char *const signs[] = { "error ENOMEM", "error EAGAIN", "error EAI_MEMORY", "none, NETDB_INTERNAL", "-1 " };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        const char *at = strstr(answer, signs[i]);
        if (at && !strncmp(answer, want, (size_t)(at - answer)) &&
            (strstr(at, "ENOMEM") || strstr(at, "EAGAIN") || strstr(at, "EAI_MEMORY")))
            return 1;
    }
    return 0;
}

/* Asks all questions. Returns whether an answer says that there was no memory, which it may only if `short_of`. */
static int ask_all(struct asker *a, int short_of)
{
    int said = 0;
    for (char **at = script; *at; at += 2) {
        const char *answer = answer_anew(a, at[0]);
        if (!strcmp(answer, at[1]))
            continue;
        if (!short_of || !says_so(at[0], answer, at[1]))
            die(short_of ? "a wrong answer" : "a wrong answer with memory", at[0], answer, at[1]);
        said = 1;
    }
    return said;
}

static int child(struct asker *a, const char *kind, int all_later)
{
    if (!strcmp(kind, "warm"))
        ask_all(a, 0);
    fail_allocation(nth, all_later);
    int said = ask_all(a, 1);
    long failed = fail_allocation(0, 0);
    if (strcmp(kind, "libc"))
        ask_all(a, 0);
    return said ? SAID_SO : failed ? FAILED : RIGHT;
}

static void *asks_without_memory(void *question)
{
    static char text[256], buf[256];
    struct asker a = { { text, 0, sizeof text }, buf, sizeof buf };
    fail_allocation(1, 1);
    answer_anew(&a, question);
    fail_allocation(0, 0);
    return NULL;
}

static int in_threads(struct asker *a)
{
    pthread_t thread;
    for (char **at = script; *at; at += 2) {
        const char *answer = answer_anew(a, at[0]);
        if (strcmp(answer, at[1]))
            die("a wrong answer", at[0], answer, at[1]);
        if (!*(at += 2))
            break;
        if (pthread_create(&thread, NULL, asks_without_memory, at[0]) || pthread_join(thread, NULL))
            die("a thread", at[0], "", "");
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char text[1 << 16], buf[1 << 16];
    struct asker a = { { text, 0, sizeof text }, buf, sizeof buf };
    long failures = 0, said_so = 0, crashes = 0;
    if (argc < 4 || !fail_allocation)
        return 2;
    script = argv + 2;
    if (!strcmp(argv[1], "thread"))
        return in_threads(&a);
    for (int all_later = 0; all_later < (strcmp(argv[1], "cold") ? 1 : 2); all_later++)
        for (nth = 1;; nth++) {
            int status = -1;
            pid_t pid = fork();
            if (pid == 0)
                _exit(child(&a, argv[1], all_later));
            if (pid < 0 || waitpid(pid, &status, 0) != pid || nth > MOST)
                die("fork, or no end", "", "", "");
            if (status == RIGHT)
                break;
            if (WIFSIGNALED(status) && !strcmp(argv[1], "libc") && ++crashes <= LIBC_CRASHES)
                continue;
            if (WIFSIGNALED(status) || WEXITSTATUS(status) < FAILED)
                die(WIFSIGNALED(status) ? "a crash" : "a child failed", script[0], "", "");
            failures++;
            said_so += WEXITSTATUS(status) == SAID_SO;
        }
    printf("%ld failures %ld said so\n", failures, said_so);
    return 0;
}
