/* step DIR SCENARIO ACTION [all | BEEN STRIDE]
 *
 * Interrupts a call at every instruction of the library, and does something there:
 *
 *   ask        a signal handler makes all lookups of ask_in_handler(), then the call goes on
 *   reenter    as ask, and the handler also goes through the enumeration that it has interrupted
 *   ask-alt    as ask, on an alternate signal stack that lies below the thread's own stack
 *   ask-above  as ask, with the call on a coroutine's stack and the handler's stack above it
 *   jump       the handler leaves the call by siglongjmp(3)
 *   jump-deep  as jump, and the next lookups are made from deeper in the stack
 *   jump-alt, jump-above  as jump, with the stacks of ask-alt and ask-above
 *   fork       the handler forks; the child makes lookups, then its copy of the call goes on
 *   stop       a second thread makes the call, and is stopped there while the first one forks; the child
 *              makes lookups
 *
 * After each of them all lookups are made again, also by another thread. After a jump call and jump are repeated
 * many times, and lost descriptors and lost memory are counted.
 *
 * This process makes no lookup itself. It forks a child for each instruction, and traces it. The first child
 * is stepped through the call to learn which instructions of the library the call runs. Each later child gets a
 * breakpoint at one of them. An instruction that runs more than once is interrupted the first time.
 *
 * BEEN is a file with the addresses that earlier scenarios have interrupted or passed. Of the addresses in it every
 * sixteenth is interrupted, and of all others every STRIDEth; the others are added to it. `all` interrupts every
 * instruction, also the second and the last time that it runs. The tracer sends the signal as kill(2) does: where
 * the library blocks signals, the handler runs later. */
#include "step_trace.h"

/* The instructions to interrupt, and at which of the times that each runs. */
static struct point { unsigned long pc; unsigned nth; } *points;
static size_t points_len;

/* For each byte of the library's code: whether an earlier scenario has run the instruction there. */
static bool *been;

static void read_been(const char *path)
{
    unsigned long at;
    been = calloc(text_end - text_begin, sizeof *been);
    FILE *from = fopen(path, "r");
    while (from && fscanf(from, "%lx", &at) == 1)
        if (at < text_end - text_begin)
            been[at] = true;
    if (from)
        fclose(from);
}

static bool wants(const struct step *s, bool all, unsigned stride)
{
    static unsigned old, new;
    if (all)
        return s->nth < 2 || s->is_last;
    if (s->nth)
        return false;
    return been && been[s->pc - text_begin] ? old++ % 16 == 0 : new++ % stride == 0;
}

static void choose(const struct steps *steps, const char *path, unsigned stride)
{
    bool all = path && !strcmp(path, "all");
    FILE *to = NULL;
    if (path && !all) {
        read_been(path);
        to = fopen(path, "a");
    }
    points = calloc(steps->len + 1, sizeof *points);
    for (size_t i = 0; i < steps->len; i++) {
        const struct step *s = &steps->list[i];
        if (to && !s->nth)
            fprintf(to, "%lx\n", s->pc - text_begin);
        if (!wants(s, all, stride))
            continue;
        points[points_len++] = (struct point){ s->pc, s->nth };
    }
    if (to)
        fclose(to);
}

/* Runs one child with the action. */
static pid_t start(const struct scenario *s, enum action a)
{
    fflush(stdout);
    if (s->before == edit_other)
        edit(1);
    if (s->before == switch_other)
        switch_link(1);
    if (pipe2(to_main, O_CLOEXEC) || pipe2(from_main, O_CLOEXEC))
        exit(2);
    pid_t child = fork();
    if (child == 0)
        act(s, a);
    close(to_main[0]);
    close(from_main[1]);
    return child;
}

static struct outcome run(const struct scenario *s, enum action a, const struct point *p)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    struct outcome out = trace(start(s, a), &p->pc, p->nth, a == STOP);
    clock_gettime(CLOCK_MONOTONIC, &end);
    out.ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
    close(to_main[1]);
    close(from_main[0]);
    return out;
}

/* A child takes some milliseconds. One that takes so long waits for a call that the handler has left. */
enum { PROMPT_MS = 2500 };

/* While it loads a module, the loader calls the function for debuggers, r_brk, twice. */
enum { LOADER_CALLS = 2 };

int main(int argc, char **argv)
{
    if (argc < 4 || chdir(argv[1]))
        return 2;
    const struct scenario *s = scenario_of(argv[2]);
    enum action a = action_of(argv[3]);
    if (!s || a == NO_ACTION || !find_text())
        return 2;
    losses = mmap(NULL, sizeof *losses, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    has_module = getenv("NSS_WRAPPER_MODULE_SO_PATH") != NULL;
    has_files = s->call != ask_me;
    configure(strcmp(s->name, "relink") ? "" : "/link");
    make_files();

    struct steps steps = learn(start(s, a == STOP ? STOP_NOTHING : NOTHING), s->runs_libc);
    if (!strcmp(s->name, "loader")) {
        points = calloc(LOADER_CALLS, sizeof *points);
        for (; points_len < LOADER_CALLS; points_len++)
            points[points_len] = (struct point){ _r_debug.r_brk, (unsigned)points_len };
    } else
        choose(&steps, argc > 4 ? argv[4] : NULL, argc > 5 ? (unsigned)atoi(argv[5]) : 1);
    unsigned failures = 0, reached = 0;
    size_t told = 0;
    long slowest = 0;
    for (size_t i = 0; i < points_len && failures < 8; i++) {
        at_tick = false;
        struct outcome out = run(s, a, &points[i]);
        /* Stepping is slow, so that the clock ticked during the call, and the library took other paths. A call at
         * full speed takes them only if it begins at a tick. */
        if (!out.times && !out.failed) {
            at_tick = true;
            out = run(s, a, &points[i]);
        }
        /* If the machine was just busy, the second run is quick. */
        if (!out.failed && out.ms > PROMPT_MS)
            out = run(s, a, &points[i]);
        slowest = out.ms > slowest ? out.ms : slowest;
        if (!out.failed && out.ms > PROMPT_MS) {
            out.failed = true;
            sprintf(out.how, "somebody waits: %ld ms", out.ms);
        }
        reached += out.times > 0;
        if (losses->points > told) {
            told = losses->points;
            printf("%s %s at %#lx loses something\n", s->name, argv[3], points[i].pc - text_base);
        }
        if (out.failed) {
            failures++;
            printf("%s %s at %#lx, time %u: %s\n", s->name, argv[3], points[i].pc - text_base,
                   points[i].nth + 1, out.how);
        }
    }
    printf("%s %s: %zu of %zu steps, %u reached, the slowest took %ld ms; %u failures\n", s->name, argv[3],
           points_len, steps.len, reached, slowest, failures);
    printf("%zu lose something: %zu a descriptor, %zu memory, at most %zu bytes a jump\n", losses->points,
           losses->descriptors, losses->bytes, losses->most);
    /* Some instructions run only if a call takes as long as with stepping, so not all are reached. */
    if (failures == 0 && reached * 4 < points_len)
        return 3;
    return failures != 0 || steps.len == 0;
}
