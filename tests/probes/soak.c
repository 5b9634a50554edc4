/* soak DIR SECONDS: processes and threads make every kind of lookup, while other processes make every kind of edit
 * in every file. Some of the former fork, some close all descriptors or have none left, some run out of memory, and
 * some are interrupted by signals.
 *
 * Every answer is checked (soak_ask.h). No process may stand still, crash, or take more and more memory or
 * descriptors. Prints what was done. */
#include "soak_ask.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static int slot;

static void *looker(void *own)
{
    /* Signals go to the first thread. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    int at = slot + (int)(size_t)own;
    for (unsigned turn = (unsigned)at * 1000;; turn++) {
        look(turn);
        shared->progress[at]++;
    }
    return NULL;
}

static void forks(unsigned turn)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(STANDSTILL);
        /* No lookups here with gcc 12's AddressSanitizer: after a fork the locks of its allocator may stay taken. */
#ifdef __SANITIZE_ADDRESS__
        enum { LOOKS = 0 };
#else
        enum { LOOKS = 6 };
#endif
        for (int i = 0; i < LOOKS; i++)
            look(turn * 5 + (unsigned)i);
        _exit(0);
    }
    int status = -1;
    must(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child");
    shared->forks++;
}

/* Closes all descriptors, opens files at low and at high numbers, and finds them there after lookups. */
static void close_all(unsigned turn)
{
    enum { OWN = 40 };
    int fd[OWN];
    char own[4200], token[16];
    struct stat st, now;
    syscall(SYS_close_range, 3, ~0u, 0);
    sprintf(own, "%s.own", path[PASSWD]);
    sprintf(token, "%08u", turn);
    for (int i = 0; i < OWN; i++) {
        fd[i] = open(own, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (i % 2)
            fd[i] = dup2(fd[i], 1023 - i);
        must(fd[i] >= 0 && write(fd[i], token, 8) == 8 && !fstat(fd[i], &st), own);
    }
    for (unsigned i = 0; i < 60; i++)
        look(turn * 11 + i);
    int before = dup(1);
    must(before >= 0 && !close(before), "dup");
    for (int f = 0; f < FILES; f++)
        ask(f, turn % USERS, shared->file[f].complete, true, false);
    int after = dup(1);
    must(after == before && !close(after), "the next descriptor's number");
    for (int i = 0; i < OWN; i++)
        must(!fstat(fd[i], &now) && now.st_ino == st.st_ino && lseek(fd[i], 0, SEEK_CUR) == 8 &&
                 pread(fd[i], token, 8, 0) == 8 && (unsigned)atoi(token) == turn,
             "a descriptor of the program's");
}

/* Makes lookups with no descriptor left, or with a single one now and then. */
static void fill_descriptors(unsigned turn)
{
    static int last = -1;
    int fd;
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        last = fd;
    if (turn % 4 == 0)
        close(last);
    for (unsigned i = 0; i < 20; i++)
        look(turn * 13 + i);
}

static void on_alarm(int signal)
{
    (void)signal;
    shared->signals++;
}

static void work(int which)
{
    struct rlimit few = { 48, 48 };
    struct itimerval often = { { 0, 700 }, { 0, 700 } };
    struct sigaction action = { .sa_handler = on_alarm };
    pthread_t thread;
    role = which;
    if (role == FULL)
        must(!setrlimit(RLIMIT_NOFILE, &few), "setrlimit");
    for (int i = 0; i < threads_of[role]; i++)
        must(!pthread_create(&thread, NULL, looker, (void *)(size_t)(i + 1)), "a thread");
    if (role == INTERRUPTED)
        must(!sigaction(SIGALRM, &action, NULL) && !setitimer(ITIMER_REAL, &often, NULL), "setitimer");
    for (unsigned turn = 0;; turn++) {
        switch (role) {
        case FORKING: forks(turn); break;
        case CLOSING: close_all(turn); break;
        case FULL: fill_descriptors(turn); break;
        case STARVED: look(turn); break;
        default:
            enumerate((int)(turn % FILES));
            look(turn);
            break;
        }
        shared->progress[slot]++;
    }
}

/* How many pages in memory and descriptors a process has. */
struct usage {
    long pages, descriptors;
};

static struct usage usage_of(pid_t pid)
{
    struct usage u = { 0 };
    char name[64];
    sprintf(name, "/proc/%d/statm", pid);
    FILE *f = fopen(name, "re");
    must(f && fscanf(f, "%*s %ld", &u.pages) == 1 && !fclose(f), name);
    sprintf(name, "/proc/%d/fd", pid);
    DIR *dir = opendir(name);
    must(dir, name);
    while (readdir(dir))
        u.descriptors++;
    closedir(dir);
    return u;
}

static void keep_larger(struct usage *peak, struct usage u)
{
    peak->pages = u.pages > peak->pages ? u.pages : peak->pages;
    peak->descriptors = u.descriptors > peak->descriptors ? u.descriptors : peak->descriptors;
}

static pid_t children[ROLES + FILES];

static int finish(const char *what, const char *who)
{
    if (what)
        printf("%s: %s\n", who, what);
    for (int i = 0; i < ROLES + FILES; i++)
        kill(children[i], SIGKILL);
    while (wait(NULL) > 0)
        ;
    return what != NULL;
}

/* Checks that the workers go on. The first quarter of the time warms them up. In the second half they may not use
 * more memory or descriptors than in the second quarter. */
static int watch(double seconds)
{
    static unsigned long seen[SLOTS];
    static time_t moved[SLOTS];
    static struct usage early[ROLES], late[ROLES];
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (double passed = 0; passed < seconds;) {
        usleep(200000);
        clock_gettime(CLOCK_MONOTONIC, &now);
        passed = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
        for (int i = 0, at = 0; i < ROLES; at += threads_of[i++] + 1) {
            if (passed > seconds / 4)
                keep_larger(passed < seconds / 2 ? &early[i] : &late[i], usage_of(children[i]));
            for (int t = at; t <= at + threads_of[i]; t++) {
                unsigned long done = shared->progress[t];
                if (done != seen[t] || !moved[t])
                    moved[t] = now.tv_sec;
                seen[t] = done;
                if (now.tv_sec - moved[t] > STANDSTILL)
                    return finish("no lookup has returned for a minute", roles[i]);
            }
        }
        for (int i = 0; i < ROLES + FILES; i++)
            if (waitpid(children[i], NULL, WNOHANG))
                return finish("has ended", i < ROLES ? roles[i] : "a writer");
    }
    for (int i = 0; i < ROLES; i++) {
        printf("%s: %ld and %ld KiB, %ld and %ld descriptors\n", roles[i], early[i].pages * 4,
               late[i].pages * 4, early[i].descriptors, late[i].descriptors);
#ifndef __SANITIZE_ADDRESS__ /* AddressSanitizer keeps freed memory for a while. */
        if (late[i].pages > early[i].pages + early[i].pages / 10 + 256)
            return finish("has grown", roles[i]);
#endif
        /* A thread keeps one for each file while the file does not change. */
        if (late[i].descriptors > early[i].descriptors + (threads_of[i] + 1) * FILES + 2)
            return finish("has more descriptors", roles[i]);
    }
    return finish(NULL, NULL);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED && !chdir(argv[1]) && !mkdir("d", 0755) && !symlink("d", "link"), argv[1]);
    for (int f = 0; f < FILES; f++) {
        /* One path has a link in it: for such a path the library keeps no descriptor. */
        sprintf(path[f], "%.4000s/%s/%s", argv[1], f == GROUP ? "link" : "d", file_names[f]);
        setenv(variables[f], path[f], 1);
        advance(&shared->file[f], f, 1, RENAME, 0);
    }
    for (int i = 0; i < ROLES + FILES; i++) {
        children[i] = fork();
        must(children[i] >= 0, "fork");
        if (children[i] == 0)
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (children[i] == 0 && i < ROLES)
            work(i);
        if (children[i] == 0)
            write_on(&shared->file[i - ROLES], i - ROLES);
        slot += i < ROLES ? threads_of[i] + 1 : 0;
    }
    int failed = watch(atof(argv[2]));
    unsigned long edits = 0;
    for (int k = 0; k < KINDS; k++) {
        unsigned long all = 0;
        for (int f = 0; f < FILES; f++)
            all += shared->file[f].edits[k];
        printf("%s: %lu\n", kinds[k], all);
        edits += all;
    }
    printf("%lu lookups, %lu edits, %lu refused for want of memory or descriptors, %lu forks, %lu signals, "
           "%lu came too late to be checked\n",
           shared->lookups, edits, shared->refused, shared->forks, shared->signals, shared->late);
    return failed;
}
