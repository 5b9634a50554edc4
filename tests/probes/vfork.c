/* vfork DIR SECONDS: threads, and children of vfork(2), make lookups while both files are replaced as fast as
 * possible. The children share the memory of the threads, but have other process ids. Every entry must be found, in a
 * version that is not older than those seen before. */
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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOKERS = 2, FORKERS = 2, USERS = 200 };
static char path[2][4096];
static _Atomic int stop;
static _Atomic unsigned long lookups, children;

static void write_version(int group, unsigned gen)
{
    char draft[4200];
    snprintf(draft, sizeof draft, "%s.new", path[group]);
    FILE *f = fopen(draft, "we");
    for (unsigned i = 0; f && i < USERS; i++)
        fprintf(f, group ? "n%u:x:%u:m%u\n" : "n%u:x:%u:%u:::\n", i, 1000 + i, gen);
    if (!f || fclose(f) || rename(draft, path[group]))
        _exit(1);
}

/* Returns 0 if both answers are right. Without stdio, which a child of vfork must not use. */
static int look(unsigned turn)
{
    /* The newest versions that this thread has seen: an older one must not come after it. */
    static _Thread_local unsigned seen[2];
    char buf[1024], name[16] = "n";
    struct passwd pw, *p;
    struct group gr, *g;
    unsigned i = turn % USERS;
    char *to = name + 1;
    for (unsigned power = i > 99 ? 100 : i > 9 ? 10 : 1; power; power /= 10)
        *to++ = (char)('0' + i / power % 10);
    if (getpwnam_r(name, &pw, buf, sizeof buf, &p) || !p || pw.pw_uid != 1000 + i || strcmp(pw.pw_name, name) ||
        pw.pw_gid < seen[0])
        return 1;
    seen[0] = pw.pw_gid;
    if (getgrgid_r(1000 + i, &gr, buf, sizeof buf, &g) || !g || strcmp(gr.gr_name, name) ||
        !gr.gr_mem[0] || *gr.gr_mem[0] != 'm')
        return 2;
    unsigned gen = 0;
    for (const char *digit = gr.gr_mem[0] + 1; *digit; digit++)
        gen = gen * 10 + (unsigned)(*digit - '0');
    if (gen < seen[1] || gr.gr_mem[1])
        return 2;
    seen[1] = gen;
    lookups++;
    return 0;
}

static void *looker(void *start)
{
    for (unsigned turn = (unsigned)(size_t)start; !stop; turn++)
        if (look(turn)) {
            fprintf(stderr, "a thread's answer is wrong\n");
            _exit(1);
        }
    return NULL;
}

static void *forker(void *start)
{
    for (unsigned turn = (unsigned)(size_t)start; !stop; turn++) {
        volatile int wrong = 0;
        pid_t child = vfork();
        if (child == 0) {
            for (unsigned i = 0; i < 20 && !wrong; i++)
                wrong = look(turn * 20 + i);
            _exit(wrong);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) != child || status) {
            fprintf(stderr, "a child's answer is wrong: status %x\n", (unsigned)status);
            _exit(1);
        }
        children++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    for (int g = 0; g < 2; g++) {
        snprintf(path[g], sizeof path[g], "%s/%s", argv[1], g ? "group" : "passwd");
        setenv(g ? "NSS_WRAPPER_GROUP" : "NSS_WRAPPER_PASSWD", path[g], 1);
        write_version(g, 1);
    }
    pid_t writer = fork();
    if (writer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned gen = 2;; gen++)
            write_version(gen & 1, gen);
    }
    alarm((unsigned)atoi(argv[2]) + 60);
    pthread_t thread[LOOKERS + FORKERS];
    for (size_t i = 0; i < LOOKERS + FORKERS; i++)
        pthread_create(&thread[i], NULL, i < LOOKERS ? looker : forker, (void *)(i * 7));
    sleep((unsigned)atoi(argv[2]));
    stop = 1;
    for (size_t i = 0; i < LOOKERS + FORKERS; i++)
        pthread_join(thread[i], NULL);
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    printf("%lu lookups %lu children\n", lookups, children);
    return 0;
}
