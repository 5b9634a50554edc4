/* buffers QUESTION...: asks each question with buffers of every length from 0 to more than enough, at every
 * alignment. The last function of a question must be one with _r. The bytes around the buffer must not change,
 * and behind them is a page that may not be accessed. Prints a line for each question:
 *
 *   ANSWER <tab> ANSWER to a short buffer <tab> the least length that is enough at any alignment
 *
 * If a length is enough, all longer ones must be, too. say.h checks that all of a result is in the buffer. */
#define _GNU_SOURCE
#include "ask_all.h"
#include <sys/mman.h>

enum { PAGE = 4096, MOST = 600, ALIGNMENTS = 16, CANARY = 0xa5, ROOM = 4096 };

static const char *current;

static void die(const char *what, const struct asker *a, const char *other)
{
    printf("%s: %s, length %zu, alignment %zu: %s, before: %s\n", current, what, a->len,
           (size_t)a->buf % ALIGNMENTS, a->text.at, other);
    exit(1);
}

static void sweep(struct asker *a, char *pages)
{
    char *guard = pages + PAGE, right[ROOM] = "", refused[ROOM] = "";
    size_t least = 0;
    for (size_t slack = 0; slack < ALIGNMENTS; slack++) {
        int fits = 0;
        for (a->len = 0; a->len < MOST; a->len++) {
            memset(pages, CANARY, PAGE);
            a->buf = guard - slack - a->len;
            answer_anew(a, current);
            for (char *at = pages; at < guard; at++)
                if ((at < a->buf || at >= a->buf + a->len) && (unsigned char)*at != CANARY)
                    die("a byte outside is written", a, "");
            char *before = strstr(a->text.at, "error ") ? refused : right;
            if (!*before)
                strcpy(before, a->text.at);
            if (strcmp(a->text.at, before))
                die("another answer", a, before);
            if (before == refused && fits)
                die("after a shorter buffer was enough", a, right);
            if (before == right && !fits++ && a->len > least)
                least = a->len;
        }
        if (!fits)
            die("never long enough", a, "");
    }
    /* No buffer at all. */
    a->buf = NULL;
    a->len = 0;
    if (strcmp(answer_anew(a, current), refused))
        die("no buffer", a, refused);
    printf("%s\t%s\t%zu\n", right, refused, least);
}

int main(int argc, char **argv)
{
    static char text[ROOM];
    struct asker a = { { text, 0, sizeof text }, NULL, 0 };
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE))
        return 2;
    for (int i = 1; i < argc; i++) {
        current = argv[i];
        sweep(&a, pages);
    }
    return 0;
}
