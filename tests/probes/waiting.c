/* Looks up a user of a file whose reads are slow or never end, or that is missing. Prints the outcome as words
 * NAME=NUMBER. COUNTERS is the file in which late_fs.c counts.
 *
 *   waiting COUNTERS crowd THREADS     all threads make their first lookup at once
 *   waiting COUNTERS jump|cancel       the first of 20 threads leaves its lookup by siglongjmp(3), or is
 *                                      cancelled, while it reads
 *   waiting COUNTERS signals           the first of 20 threads reads; the others get 20 signals each while they wait
 *   waiting COUNTERS fork              a child makes a lookup while a thread of its parent reads
 *   waiting COUNTERS steady            a lookup each millisecond, and one after an edit. late_opens says how often
 *                                      the file was opened after the first second, before the edit
 *   waiting COUNTERS turns             two threads make 20,000 lookups each */
#define _GNU_SOURCE
#include "late_fs.h"
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static struct counters *counters;
static _Atomic int right, absent, failed, first_errno;
static pthread_barrier_t gate;
static unsigned version;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static void ask(void)
{
    char buf[512], gecos[32];
    struct passwd pw, *p = NULL;
    snprintf(gecos, sizeof gecos, "version %u", version);
    int rc = getpwnam_r("ann", &pw, buf, sizeof buf, &p);
    if (rc) {
        first_errno = first_errno ? first_errno : rc;
        failed++;
    } else if (!p)
        absent++;
    else if (p->pw_uid == 5001 && !strcmp(p->pw_gecos, gecos) && !strcmp(p->pw_dir, "/home/ann"))
        right++;
}

static void *ask_at_gate(void *none)
{
    pthread_barrier_wait(&gate);
    ask();
    return none;
}

static sigjmp_buf out;

static void leave(int number)
{
    (void)number;
    siglongjmp(out, 1);
}

static void *ask_and_leave(void *none)
{
    if (!sigsetjmp(out, 1))
        ask();
    /* A thread that has left a lookup must be able to make another one. The answer to that is counted. */
    ask();
    return none;
}

static void *ask_now(void *none)
{
    ask();
    return none;
}

static void crowd(int threads)
{
    pthread_t thread[64];
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++)
        pthread_create(&thread[i], NULL, ask_at_gate, NULL);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
}

/* The first thread leaves its lookup, or is cancelled, while it reads and the others wait for it. */
static void abandoned(bool by_jump)
{
    pthread_t first, thread[19];
    signal(SIGUSR1, leave);
    pthread_create(&first, NULL, by_jump ? ask_and_leave : ask_now, NULL);
    pause_ms(300);
    for (int i = 0; i < 19; i++)
        pthread_create(&thread[i], NULL, ask_now, NULL);
    pause_ms(300);
    by_jump ? pthread_kill(first, SIGUSR1) : pthread_cancel(first);
    for (int i = 0; i < 19; i++)
        pthread_join(thread[i], NULL);
    pthread_join(first, NULL);
}

static void ignore(int number)
{
    (void)number;
}

static void signalled(void)
{
    pthread_t first, thread[19];
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = ignore }, NULL);
    pthread_create(&first, NULL, ask_now, NULL);
    pause_ms(300);
    for (int i = 0; i < 19; i++)
        pthread_create(&thread[i], NULL, ask_now, NULL);
    pause_ms(300);
    for (int round = 0; round < 20; round++, pause_ms(20))
        for (int i = 0; i < 19; i++)
            pthread_kill(thread[i], SIGUSR1);
    for (int i = 0; i < 19; i++)
        pthread_join(thread[i], NULL);
    pthread_join(first, NULL);
}

static void forked(void)
{
    pthread_t first;
    int status;
    pthread_create(&first, NULL, ask_now, NULL);
    pause_ms(300);
    pid_t child = fork();
    if (child == 0) {
        right = absent = failed = 0;
        ask();
        _exit(right == 1 ? 0 : failed ? first_errno : 99);
    }
    waitpid(child, &status, 0);
    pthread_join(first, NULL);
    if (status == 0) {
        right++;
    } else {
        failed++;
        first_errno = WIFEXITED(status) ? WEXITSTATUS(status) : 98;
    }
}

static void steady(void)
{
    for (int i = 0; i < 1000; i++, pause_ms(1))
        ask();
    unsigned opens = counters->opens;
    for (int i = 0; i < 500; i++, pause_ms(1))
        ask();
    printf("late_opens=%u ", counters->opens - opens);
    counters->version = version = 2;
    ask();
}

static void *ask_often(void *none)
{
    for (int i = 0; i < 20000; i++)
        ask();
    return none;
}

static void turns(void)
{
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, ask_often, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
    if (argc < 3 || !(counters = map_counters(argv[1])))
        return 2;
    version = counters->version;
    /* A file without an end must not take all of the machine's memory. */
    if (setrlimit(RLIMIT_AS, &(struct rlimit){ 3UL << 30, 3UL << 30 }))
        return 2;
    struct rusage before, after;
    double begin = now();
    getrusage(RUSAGE_SELF, &before);
    if (!strcmp(argv[2], "crowd") && argc > 3)
        crowd(atoi(argv[3]));
    else if (!strcmp(argv[2], "jump") || !strcmp(argv[2], "cancel"))
        abandoned(argv[2][0] == 'j');
    else if (!strcmp(argv[2], "signals"))
        signalled();
    else if (!strcmp(argv[2], "fork"))
        forked();
    else if (!strcmp(argv[2], "steady"))
        steady();
    else if (!strcmp(argv[2], "turns"))
        turns();
    else
        return 2;
    getrusage(RUSAGE_SELF, &after);
    double cpu = (double)(after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec -
                          before.ru_stime.tv_sec) * 1e3 +
                 (double)(after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec -
                          before.ru_stime.tv_usec) / 1e3;
    printf("right=%d absent=%d failed=%d errno=%d ms=%.0f cpu_ms=%.0f switches=%ld peak_kib=%ld opens=%u\n",
           right, absent, failed, first_errno, (now() - begin) * 1e3, cpu,
           after.ru_nvcsw - before.ru_nvcsw, after.ru_maxrss, counters->opens);
    return 0;
}
