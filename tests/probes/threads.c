/* Threads and forked children of their process make lookups while a writer replaces both files as fast as it can.
 *
 *   threads DIR SECONDS [FORKS [PATIENCE [REST]]]
 *
 * 4 threads make lookups for SECONDS seconds, and at least as long as FORKS children are forked one after the other.
 * Each child must get its answers within PATIENCE seconds, by default one. The writer pauses for REST microseconds
 * after each edit: under a checker lookups are slow, and without a pause the file would be replaced again before it
 * could be opened.
 *
 * Each row has the number of the generation of its file. All of an answer must be of one generation. This may not be
 * older than the one that was complete before the call, and not newer than the one that was begun when it returned. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { USERS = 20, THREADS = 4 };

struct shared {
    /* The generations of passwd and of group. */
    _Atomic unsigned begun[2], complete[2];
    _Atomic unsigned long lookups;
};
static struct shared *shared;
static _Atomic int stop;
static char path[2][4096], draft[2][4096];

static void die(const char *what, unsigned low, unsigned got, unsigned high)
{
    fprintf(stderr, "%s: generation %u, not in %u..%u\n", what, got, low, high);
    _exit(1);
}

static void write_version(int group, unsigned gen)
{
    atomic_store(&shared->begun[group], gen);
    FILE *f = fopen(draft[group], "we");
    for (unsigned i = 0; f && i < USERS; i++)
        if (group)
            fprintf(f, "g%u:x:%u:m%u,a,m%u\n", i, 5000 + i, gen, gen);
        else
            fprintf(f, "u%u:x:%u:%u:%u:/%u:/s%u\n", i, 1000 + i, gen, gen, gen, gen);
    if (!f || fclose(f) || rename(draft[group], path[group])) {
        perror(draft[group]);
        _exit(1);
    }
    atomic_store(&shared->complete[group], gen);
}

static void check(int group, const char *what, unsigned low, unsigned gen)
{
    unsigned high = atomic_load(&shared->begun[group]);
    if (gen < low || gen > high)
        die(what, low, gen, high);
}

static void look(unsigned turn)
{
    char buf[1024], name[16];
    unsigned i = turn % USERS, low;
    struct passwd pw, *user;
    struct group gr, *grp;
    int rc;

    low = atomic_load(&shared->complete[0]);
    snprintf(name, sizeof name, "u%u", i);
    rc = turn & 1 ? getpwnam_r(name, &pw, buf, sizeof buf, &user)
                  : getpwuid_r(1000 + i, &pw, buf, sizeof buf, &user);
    if (rc || !user) {
        fprintf(stderr, "passwd: %s is missing: %s\n", name, strerror(rc));
        _exit(1);
    }
    check(0, "passwd", low, pw.pw_gid);
    char g[16], dir[20], shell[20];
    snprintf(g, sizeof g, "%u", pw.pw_gid);
    snprintf(dir, sizeof dir, "/%u", pw.pw_gid);
    snprintf(shell, sizeof shell, "/s%u", pw.pw_gid);
    if (strcmp(pw.pw_name, name) || pw.pw_uid != 1000 + i || strcmp(pw.pw_gecos, g) ||
        strcmp(pw.pw_dir, dir) || strcmp(pw.pw_shell, shell))
        die("passwd is torn", low, pw.pw_gid, 0);

    low = atomic_load(&shared->complete[1]);
    snprintf(name, sizeof name, "g%u", i);
    rc = turn & 1 ? getgrnam_r(name, &gr, buf, sizeof buf, &grp)
                  : getgrgid_r(5000 + i, &gr, buf, sizeof buf, &grp);
    if (rc || !grp) {
        fprintf(stderr, "group: %s is missing: %s\n", name, strerror(rc));
        _exit(1);
    }
    if (!gr.gr_mem[0] || !gr.gr_mem[1] || !gr.gr_mem[2] || gr.gr_mem[3] ||
        strcmp(gr.gr_mem[0], gr.gr_mem[2]) || strcmp(gr.gr_mem[1], "a") || gr.gr_gid != 5000 + i)
        die("group is torn", low, 0, 0);
    check(1, "group", low, (unsigned)atoi(gr.gr_mem[0] + 1));

    if (turn % 16 == 0) {
        gid_t list[USERS + 2];
        int n = USERS + 2;
        if (getgrouplist("a", 7, list, &n) != USERS + 1 || list[0] != 7 || list[USERS] != 5000 + USERS - 1)
            die("getgrouplist", 0, (unsigned)n, USERS + 1);
        user = getpwuid(1000 + i);
        if (!user || user->pw_uid != 1000 + i || (unsigned)atoi(user->pw_gecos) != user->pw_gid)
            die("getpwuid", 0, user ? user->pw_gid : 0, 0);
    }
    atomic_fetch_add_explicit(&shared->lookups, 1, memory_order_relaxed);
}

static void *reader(void *start)
{
    for (unsigned turn = (unsigned)(size_t)start; !stop; turn++)
        look(turn);
    return NULL;
}

static void children(int forks, unsigned patience)
{
    for (int i = 0; i < forks; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(patience);
            for (unsigned turn = 0; turn < 8; turn++)
                look(turn);
            _exit(0);
        }
        int status = -1;
        if (child < 0 || waitpid(child, &status, 0) != child || status) {
            fprintf(stderr, "fork %d: status %x%s\n", i, (unsigned)status,
                    WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ", no answer in time" : "");
            _exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int g = 0; g < 2; g++) {
        snprintf(path[g], sizeof path[g], "%s/%s", argv[1], g ? "group" : "passwd");
        snprintf(draft[g], sizeof draft[g], "%s/%s.new", argv[1], g ? "group" : "passwd");
        setenv(g ? "NSS_WRAPPER_GROUP" : "NSS_WRAPPER_PASSWD", path[g], 1);
        write_version(g, 1);
    }
    useconds_t rest = argc > 5 ? (useconds_t)atoi(argv[5]) : 0;
    pid_t writer = fork();
    if (writer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned gen = 2;; gen++)
            for (int g = 0; g < 2; g++) {
                write_version(g, gen);
                if (rest)
                    usleep(rest);
            }
    }

    /* A hang is a failure of its own. */
    alarm((unsigned)atoi(argv[2]) + 60);
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, reader, (void *)(i * 7));
    if (argc > 3)
        children(atoi(argv[3]), argc > 4 ? (unsigned)atoi(argv[4]) : 1);
    struct timespec end, now;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += atoi(argv[2]);
    do {
        usleep(10000);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    printf("%lu lookups, %u edits\n", shared->lookups, shared->complete[0] + shared->complete[1]);
    return 0;
}
