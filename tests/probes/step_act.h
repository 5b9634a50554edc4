/* What the child of step.c does: the call, what interrupts the call, and the lookups afterwards. */
#include "step_scenes.h"
#include <dirent.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <ucontext.h>

enum action {
    NO_ACTION, NOTHING, ASK, REENTER, ASK_ALT, ASK_ABOVE,
    JUMP, JUMP_DEEP, JUMP_ALT, JUMP_ABOVE, FORK, STOP, STOP_NOTHING
};

static enum action action_of(const char *name)
{
    static const char *const list[] = { [ASK] = "ask", [REENTER] = "reenter", [ASK_ALT] = "ask-alt",
        [ASK_ABOVE] = "ask-above", [JUMP] = "jump", [JUMP_DEEP] = "jump-deep", [JUMP_ALT] = "jump-alt",
        [JUMP_ABOVE] = "jump-above", [FORK] = "fork", [STOP] = "stop" };
    for (int i = ASK; i <= STOP; i++)
        if (list[i] && !strcmp(list[i], name))
            return (enum action)i;
    return NO_ACTION;
}

/* Between calls the library has no descriptor below LOW. */
enum { PATIENCE_S = 8, STACK = 1 << 18, ROUNDS = 4, SERIES = 4, LOW = 200 };

static enum action action;
static const struct scenario *scene;
static sigjmp_buf out_of_call;
/* True in a child of the traced process, which nobody traces. */
static bool is_copy;

static void mark(void)
{
    if (!is_copy)
        raise(SIGSTOP);
}

/* Waits for a child, whose exit status says whether all its answers were right. */
static void must_be_right(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            wrong("waitpid", "%s", strerror(errno));
    if (WIFSIGNALED(status)) {
        when = "in the child";
        wrong("everything", "%s",
              WTERMSIG(status) == SIGALRM ? "does not end" : strsignal(WTERMSIG(status)));
    }
    if (status)
        _exit(1);
}

static void on_signal(int number)
{
    int error = errno;
    const char *before = when;
    (void)number;
    when = "in the handler";
    is_in_loader = !strcmp(scene->name, "loader");
    switch (action) {
    case REENTER:
        again = false;
        scene->call();
        again = true;
        /* fall through */
    case ASK:
    case ASK_ALT:
    case ASK_ABOVE:
        ask_in_handler();
        break;
    case JUMP:
    case JUMP_DEEP:
    case JUMP_ALT:
    case JUMP_ABOVE:
        siglongjmp(out_of_call, 1);
    default: {
        pid_t child = fork();
        if (child == 0) {
            is_copy = true;
            alarm(PATIENCE_S);
            ask_in_handler();
        } else
            must_be_right(child);
    }
    }
    is_in_loader = false;
    when = before;
    errno = error;
}

static void *ask_in_thread(void *none)
{
    ask_all();
    return none;
}

static void from_thread(void)
{
    pthread_t thread;
    when = "afterwards, in another thread";
    if (pthread_create(&thread, NULL, ask_in_thread, NULL) || pthread_join(thread, NULL))
        wrong("pthread_create", "failed");
}

static __attribute__((noinline)) void ask_deeper(void)
{
    volatile char pad[STACK];
    for (size_t i = 0; i < sizeof pad; i += 4096)
        pad[i] = 1;
    when = "afterwards, deeper in the stack";
    ask_all();
}

/* A stack for a handler or a coroutine, at lower addresses than the stack of the first thread. */
static char low_stack[2 * STACK];

/* The call waits for the next tick of the coarse clock, after which a lookup looks at the path again. */
static bool at_tick;

static void round_of_calls(void)
{
    when = "the call";
    scene->before();
    if (at_tick)
        next_tick();
    if (!sigsetjmp(out_of_call, 1))
        mark(), scene->call(), mark();
    else
        mark();
}

/* How many descriptors there are below `end`. */
static size_t descriptors(int end)
{
    size_t count = 0;
    struct dirent *entry;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && (entry = readdir(dir)))
        count += atoi(entry->d_name) < end;
    closedir(dir);
    return count;
}

/* The bytes in use: malloc's, and all memory that is mapped without malloc. */
static size_t memory(void)
{
    size_t pages = 0;
    struct mallinfo2 info = mallinfo2();
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%zu", &pages) != 1)
        wrong("/proc/self/statm", "unreadable");
    fclose(statm);
    return info.uordblks + pages * 4096 - info.arena;
}

/* What jumps lose, in memory that the tracer shares. `points` counts instructions. */
static struct losses { size_t descriptors, bytes, points, most; } *losses;

/* Repeats the call and the jump in several series of rounds. A loss in every round shows in each series, so the
 * smallest difference counts; memory that a round happens to need for the first time shows in one series only. A
 * series uses both versions of the files. */
static void count_losses(void)
{
    ssize_t files = 0, bytes = 0;
    size_t files_before = 0, memory_before = 0;
    for (int series = 0; series < SERIES; series++) {
        for (int i = 0; i < ROUNDS; i++)
            round_of_calls();
        size_t files_now = descriptors(INT_MAX), memory_now = memory();
        ssize_t files_more = (ssize_t)(files_now - files_before), more = (ssize_t)(memory_now - memory_before);
        files = series == 2 || files_more < files ? files_more : files;
        bytes = series == 2 || more < bytes ? more : bytes;
        files_before = files_now;
        memory_before = memory_now;
    }
    bool lost_files = files >= ROUNDS / 2;
    bool lost_memory = !scene->is_within_libc && bytes >= ROUNDS / 2 * 32;
    losses->descriptors += lost_files;
    losses->bytes += lost_memory;
    losses->points += lost_files || lost_memory;
    if (lost_memory && (size_t)bytes / ROUNDS > losses->most)
        losses->most = (size_t)bytes / ROUNDS;
}

static void __attribute__((noreturn)) finish(void)
{
    size_t low_before = descriptors(LOW);
    round_of_calls();
    again = false;
    if (action == JUMP_DEEP)
        ask_deeper();
    when = "afterwards";
    ask_all();
    from_thread();
    if (action >= JUMP && action <= JUMP_ABOVE && !is_copy) {
        if (scene->repeats)
            count_losses();
        else if (descriptors(LOW) > low_before)
            losses->descriptors++, losses->points++;
    }
    when = "at the end";
    ask_all();
    _exit(0);
}

/* Sets the handler up and runs the call, on the stack that the action is about. */
static void __attribute__((noreturn)) interrupted(void)
{
    char high_stack[STACK];
    struct sigaction act = { .sa_handler = on_signal };
    bool is_above = action == ASK_ABOVE || action == JUMP_ABOVE;
    if (is_above || action == ASK_ALT || action == JUMP_ALT) {
        stack_t stack = { .ss_sp = is_above ? high_stack : low_stack, .ss_size = STACK };
        act.sa_flags = SA_ONSTACK;
        if (sigaltstack(&stack, NULL))
            wrong("sigaltstack", "%s", strerror(errno));
    }
    if (sigaction(SIGUSR1, &act, NULL) || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        wrong("ptrace", "%s", strerror(errno));
    again = action == REENTER;
    if (is_above) {
        static ucontext_t here, coroutine;
        getcontext(&coroutine);
        coroutine.uc_stack.ss_sp = low_stack;
        coroutine.uc_stack.ss_size = sizeof low_stack;
        makecontext(&coroutine, finish, 0);
        swapcontext(&here, &coroutine);
    }
    finish();
}

/* Pipes for the action "stop". By `to_main` the tracer tells the first thread to fork, and the second thread tells it
 * that the call has ended. By `from_main` the first thread tells the tracer that it has forked. */
static int to_main[2], from_main[2];

static void tell_main(void)
{
    char byte;
    if (write(to_main[1], "f", 1) != 1)
        exit(2);
    /* If the process has died, this is end of file. */
    if (read(from_main[0], &byte, 1) < 0)
        exit(2);
}

static void *stopped(void *none)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        wrong("ptrace", "%s", strerror(errno));
    scene->prepare();
    round_of_calls();
    if (write(to_main[1], "e", 1) != 1)
        _exit(2);
    return none;
}

static void __attribute__((noreturn)) beside_a_stopped_thread(void)
{
    pthread_t thread;
    char byte;
    scene->prepare();
    if (pthread_create(&thread, NULL, stopped, NULL))
        wrong("pthread_create", "failed");
    while (read(to_main[0], &byte, 1) == 1 && byte == 'f') {
        pid_t child = fork();
        if (child == 0) {
            alarm(PATIENCE_S);
            when = "in the child, going on with an enumeration";
            goes_on = again = true;
            if (has_files)
                walk_users(), walk_hosts();
            goes_on = again = false;
            when = "in the child";
            ask_all();
            _exit(0);
        }
        must_be_right(child);
        if (write(from_main[1], "d", 1) != 1)
            _exit(2);
    }
    pthread_join(thread, NULL);
    when = "afterwards";
    ask_all();
    from_thread();
    _exit(0);
}

static void __attribute__((noreturn)) act(const struct scenario *s, enum action a)
{
    scene = s;
    action = a;
    /* A call that is stepped through takes longer: some microseconds for each instruction. */
    alarm(a == NOTHING || a == STOP_NOTHING ? 10 * PATIENCE_S : PATIENCE_S);
    when = "before the call";
    if (a == STOP || a == STOP_NOTHING)
        beside_a_stopped_thread();
    scene->prepare();
    interrupted();
}
