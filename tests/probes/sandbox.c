/* Programs under filters of system calls, seccomp(2):
 *
 *   sandbox trace PROGRAM ARG...           runs the program, and then writes to standard error the numbers of the
 *                                          calls that it has made, from its start to its end
 *   sandbox kill NUMBERS PROGRAM ARG...    runs the program; a call with another number kills it
 *   sandbox refuse ERROR NAMES PROGRAM...  runs the program; calls with these names fail with that errno
 *   sandbox late NUMBERS QUESTION...       asks the questions (ask_all.h), then sets up a filter as with `kill`, and
 *                                          asks again many times. Prints the first answers, and different ones
 *
 * Numbers and names have commas between them. Among the names "O_PATH" stands for openat with that flag. */
#define _GNU_SOURCE
#include "ask_all.h"
#include <elf.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#if defined __x86_64__
#define MACHINE AUDIT_ARCH_X86_64
#elif defined __i386__
#define MACHINE AUDIT_ARCH_I386
#elif defined __aarch64__
#define MACHINE AUDIT_ARCH_AARCH64
#endif

enum { MOST_CALLS = 1024, AGAIN = 200 };

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(2);
    }
}

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    { "fcntl", SYS_fcntl },           { "fstat", SYS_fstat },     { "futex", SYS_futex },
    { "getcwd", SYS_getcwd },         { "getpid", SYS_getpid },   { "getrandom", SYS_getrandom },
    { "getrlimit", SYS_prlimit64 },   { "lseek", SYS_lseek },     { "madvise", SYS_madvise },
    { "sigaltstack", SYS_sigaltstack }, { "ppoll", SYS_ppoll },
#ifdef SYS_poll
    { "poll", SYS_poll },
#endif
};

static unsigned call_of(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(calls[i].name, name))
            return calls[i].number;
    must(0, name);
    return 0;
}

static struct sock_filter lines[4096];
static unsigned short count;

static void line(unsigned short code, unsigned k, unsigned char yes, unsigned char no)
{
    lines[count++] = (struct sock_filter){ code, yes, no, k };
}

#define LOAD(field) line(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field), 0, 0)
#define UNLESS_EQUAL(value, skip) line(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define DO(action) line(BPF_RET | BPF_K, action, 0, 0)

static void begin(void)
{
    LOAD(arch);
    line(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    DO(SECCOMP_RET_KILL_PROCESS);
    LOAD(nr);
}

static void install(void)
{
    struct sock_fprog program = { count, lines };
    must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "a filter");
}

static void kill_but(char *numbers)
{
    begin();
    for (char *number; (number = strsep(&numbers, ","));) {
        UNLESS_EQUAL((unsigned)atoi(number), 1);
        DO(SECCOMP_RET_ALLOW);
    }
    DO(SECCOMP_RET_KILL_PROCESS);
    install();
}

static void refuse(unsigned error, char *names)
{
    begin();
    for (char *name; (name = strsep(&names, ","));) {
        if (!strcmp(name, "O_PATH")) {
            UNLESS_EQUAL(SYS_openat, 4);
            LOAD(args[2]);
            line(BPF_JMP | BPF_JSET | BPF_K, O_PATH, 0, 1);
            DO(SECCOMP_RET_ERRNO | error);
            DO(SECCOMP_RET_ALLOW);
        } else {
            UNLESS_EQUAL(call_of(name), 1);
            DO(SECCOMP_RET_ERRNO | error);
        }
    }
    DO(SECCOMP_RET_ALLOW);
    install();
}

static void run(char **program)
{
    execvp(program[0], program);
    must(0, program[0]);
}

static int traced(char **program)
{
    static char made[MOST_CALLS];
    int status, begun = 0, result = 3;
    pid_t child = fork(), seen;
    if (child == 0) {
        must(!ptrace(PTRACE_TRACEME, 0, 0, 0), "PTRACE_TRACEME");
        raise(SIGSTOP);
        run(program);
    }
    must(child > 0 && waitpid(child, &status, 0) == child, "a child");
    must(!ptrace(PTRACE_SETOPTIONS, child, 0,
                 PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                     PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC),
         "PTRACE_SETOPTIONS");
    must(!ptrace(PTRACE_SYSCALL, child, 0, 0), "PTRACE_SYSCALL");
    while ((seen = waitpid(-1, &status, __WALL)) > 0) {
        int signal = 0;
        if (!WIFSTOPPED(status)) {
            if (seen == child)
                result = WIFEXITED(status) ? WEXITSTATUS(status) : 3;
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, seen, sizeof info, &info) > 0 &&
                info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr < MOST_CALLS)
                /* The execve(2) calls by which execvp(3) looks for the program are not the program's own. */
                made[info.entry.nr] |= (char)(begun || info.entry.nr == SYS_execve);
        } else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
            begun = 1;
        } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
            signal = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, seen, 0, signal);
    }
    const char *separator = "";
    for (int i = 0; i < MOST_CALLS; i++)
        if (made[i]) {
            fprintf(stderr, "%s%d", separator, i);
            separator = ",";
        }
    return result;
}

/* Waits for a tick of the coarse clock, after which the library looks at a path again. */
static void wait_for_tick(void)
{
    struct timespec before, now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
    do
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    while (before.tv_nsec == now.tv_nsec);
}

static void late(char *numbers, char **questions)
{
    static char text[1 << 16], buf[1 << 16];
    struct asker a = { { text, 0, sizeof text }, buf, sizeof buf };
    char *first[64];
    int asked;
    for (asked = 0; questions[asked]; asked++)
        must(asked < 64 && (first[asked] = strdup(answer_anew(&a, questions[asked]))) != NULL, "memory");
    kill_but(numbers);
    for (int i = 0; i < AGAIN; i++) {
        if (i % 50 == 0)
            wait_for_tick();
        for (int at = 0; at < asked; at++)
            if (strcmp(answer_anew(&a, questions[at]), first[at]))
                printf("again: %s\n", a.text.at);
    }
    for (int at = 0; at < asked; at++)
        puts(first[at]);
}

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "trace"))
        return traced(argv + 2);
    must(argc > 3, "arguments");
    if (!strcmp(argv[1], "kill")) {
        kill_but(argv[2]);
        run(argv + 3);
    }
    if (!strcmp(argv[1], "refuse") && argc > 4) {
        refuse((unsigned)atoi(argv[2]), argv[3]);
        run(argv + 4);
    }
    must(!strcmp(argv[1], "late"), argv[1]);
    late(argv[2], argv + 3);
    return 0;
}
