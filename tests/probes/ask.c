/* ask QUESTION...: answers each question with one line. Without arguments the questions are the lines
 * of standard input, so that a test can edit files between them.
 *
 * ask.h, ask_hosts.h, ask_libc.h and ask_all.h say what can be asked. These questions are asked in
 * other threads or processes:
 *
 *   fork QUESTION              asked in a child
 *   threads N ROUNDS QUESTION  asked by N threads at once, ROUNDS times each; gives the common answer,
 *                              and after " / " each other one
 *   share QUESTION             asked by 8 threads until there is no other row; gives the number of
 *                              rows, and how many different ones they are
 *   forks N COUNT QUESTION     asked in COUNT children, while N threads of their parent ask it, too
 *   exec PROGRAM               executes the program in the place of the probe */
#define _GNU_SOURCE
#include "ask_all.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { SHARERS = 8, MOST_THREADS = 16, THREAD_TEXT = 1 << 20, THREAD_BUF = 1 << 16 };

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(2);
    }
}

static pthread_barrier_t all_are_there;
static const char *asked;
static int rounds;
static _Atomic int stop;

/* Asks in a thread. The asker's text becomes the answer, with the first one after " / " if they differ. */
static void *asks(void *unused)
{
    struct asker *a = new_asker(THREAD_TEXT, THREAD_BUF);
    must(a != NULL, "memory");
    pthread_barrier_wait(&all_are_there);
    char *first = strdup(answer_anew(a, asked));
    for (int i = 1; i < rounds || (!rounds && !stop); i++)
        if (strcmp(answer_anew(a, asked), first)) {
            say(&a->text, " / %s", first);
            break;
        }
    free(first);
    (void)unused;
    return a;
}

static void *shares(void *unused)
{
    struct asker *a = new_asker(THREAD_TEXT, THREAD_BUF);
    must(a != NULL, "memory");
    pthread_barrier_wait(&all_are_there);
    answer_anew(a, asked);
    (void)unused;
    return a;
}

static void start(pthread_t *threads, int count, void *(*run)(void *), int others)
{
    must(count <= MOST_THREADS, "so many threads");
    pthread_barrier_init(&all_are_there, NULL, (unsigned)(count + others));
    for (int i = 0; i < count; i++)
        must(!pthread_create(&threads[i], NULL, run, NULL), "a thread");
}

/* Says the threads' common answer, and those that differ from it. */
static void join(struct text *text, const pthread_t *threads, int count)
{
    size_t before = text->len;
    for (int i = 0; i < count; i++) {
        struct asker *a;
        pthread_join(threads[i], (void **)&a);
        if (i == 0)
            say(text, "%s", a->text.at);
        else if (strcmp(text->at + before, a->text.at))
            say(text, " / %s", a->text.at);
        free_asker(a);
    }
    pthread_barrier_destroy(&all_are_there);
}

static void in_threads(struct asker *to, int count, const char *question)
{
    pthread_t threads[MOST_THREADS];
    asked = question;
    start(threads, count, asks, 0);
    join(&to->text, threads, count);
}

static int by_text(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void share(struct asker *to, const char *question)
{
    pthread_t threads[SHARERS];
    struct asker *a[SHARERS];
    char *rows[10000], again[256];
    int count = 0, different = 0;
    snprintf(again, sizeof again, "all %s", question);
    asked = again;
    start(threads, SHARERS, shares, 0);
    for (int i = 0; i < SHARERS; i++) {
        pthread_join(threads[i], (void **)&a[i]);
        for (char *rest = *a[i]->text.at ? a[i]->text.at : NULL; rest && count < 10000;) {
            rows[count] = strsep(&rest, "\t");
            /* "all" removes a plain "error ENOENT" at the end; that of hosts has h_errno beside it. */
            count += strncmp(rows[count], "error ENOENT", 12) != 0;
        }
    }
    qsort(rows, (size_t)count, sizeof *rows, by_text);
    for (int i = 0; i < count; i++)
        different += i == 0 || strcmp(rows[i - 1], rows[i]);
    say(&to->text, "%d rows, %d different", count, different);
    pthread_barrier_destroy(&all_are_there);
    for (int i = 0; i < SHARERS; i++)
        free_asker(a[i]);
}

/* Each child must give the threads' answer within ten seconds. */
static void forks(struct asker *to, int count, int children, const char *question)
{
    pthread_t threads[MOST_THREADS];
    struct text text = { mmap(NULL, THREAD_TEXT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 0, THREAD_TEXT };
    must(text.at != MAP_FAILED, "memory");
    asked = question;
    rounds = stop = 0;
    start(threads, count, asks, 1);
    pthread_barrier_wait(&all_are_there);
    char *first = NULL;
    for (int i = 0; i < children; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            struct asker a = { text, to->buf, to->len };
            alarm(10);
            for (int round = 0; round < 3; round++)
                answer_anew(&a, question);
            _exit(0);
        }
        must(child > 0 && waitpid(child, &status, 0) == child, "fork");
        if (!first)
            first = strdup(text.at);
        if (status || strcmp(first, text.at)) {
            say(&to->text, "child %d, status %#x: %s / ", i, (unsigned)status, text.at);
            break;
        }
    }
    stop = 1;
    size_t before = to->text.len;
    join(&to->text, threads, count);
    if (strcmp(to->text.at + before, first))
        say(&to->text, " / %s", first);
    free(first);
    munmap(text.at, THREAD_TEXT);
}

static void in_child(struct asker *a, const char *question)
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        puts(answer_anew(a, question));
        fflush(stdout);
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child && status == 0, "a child");
}

static void respond(struct asker *a, const char *question)
{
    int count, times, at = 0;
    if (!strncmp(question, "fork ", 5)) {
        in_child(a, question + 5);
        return;
    }
    if (!strncmp(question, "exec ", 5)) {
        puts("done");
        fflush(stdout);
        execlp(question + 5, question + 5, NULL);
        must(0, question);
    }
    a->text.at[a->text.len = 0] = 0;
    if (sscanf(question, "threads %d %d %n", &count, &rounds, &at) == 2 && at)
        in_threads(a, count, question + at);
    else if (sscanf(question, "forks %d %d %n", &count, &times, &at) == 2 && at)
        forks(a, count, times, question + at);
    else if (!strncmp(question, "share ", 6))
        share(a, question + 6);
    else
        answer(a, question);
    puts(a->text.at);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static char text[1 << 23], buf[1 << 22], line[1 << 14];
    struct asker a = { { text, 0, sizeof text }, buf, sizeof buf };
    for (int i = 1; i < argc; i++)
        respond(&a, argv[i]);
    while (argc == 1 && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        respond(&a, line);
    }
    return 0;
}
