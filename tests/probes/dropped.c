/* dropped DIR HOW LOOKUPS
 *
 * Makes LOOKUPS lookups, then makes the files in DIR unreachable for itself, and asks again: in the same
 * thread, in another and in a child.
 *
 *   chroot      into DIR/jail, as daemons do
 *   setuid      to somebody who may not search DIR
 *   delete      another process deletes the files
 *   gone        into DIR/jail, then another process deletes the files
 *   bind        mounts DIR/other over DIR/passwd, and waits for the clock's next tick */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = { "passwd", "group", "shadow", "hosts", "other" };

static void say(const char *who)
{
    char line[256];
    int len;
    char buf[1024];
    struct passwd pw, *p = NULL;
    struct group gr, *g = NULL;
    struct spwd sp, *s = NULL;
    struct hostent he, *h = NULL;
    int reason, count = 8;
    gid_t gids[8];
    int rc = getpwnam_r("bob", &pw, buf, sizeof buf, &p);
    len = sprintf(line, "%s: %s", who ? who : "", p ? p->pw_dir : rc ? strerror(rc) : "none");
    rc = getpwuid_r(4242, &pw, buf, sizeof buf, &p);
    len += sprintf(line + len, " %s", p ? p->pw_name : rc ? strerror(rc) : "none");
    rc = getgrnam_r("lab", &gr, buf, sizeof buf, &g);
    len += sprintf(line + len, " %s", g ? g->gr_mem[0] : rc ? strerror(rc) : "none");
    rc = getspnam_r("bob", &sp, buf, sizeof buf, &s);
    len += sprintf(line + len, " %s", s ? s->sp_pwdp : rc ? strerror(rc) : "none");
    gethostbyname_r("db.test", &he, buf, sizeof buf, &h, &reason);
    len += sprintf(line + len, " %s", h ? h->h_name : "none");
    len += sprintf(line + len, " %d\n", getgrouplist("bob", 7, gids, &count));
    if (who && write(1, line, (size_t)len) != len)
        exit(2);
}

static void *say_in_thread(void *none)
{
    say("thread");
    return none;
}

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(2);
    }
}

/* Starts a process that keeps its root, and that deletes the files when a byte is written to the descriptor. */
static int deleter(void)
{
    int pipes[2];
    char byte;
    must(!pipe(pipes), "pipe");
    if (fork() == 0) {
        close(pipes[1]);
        if (read(pipes[0], &byte, 1) == 1)
            for (int i = 0; i < 4; i++)
                unlink(names[i]);
        _exit(0);
    }
    close(pipes[0]);
    return pipes[1];
}

static void delete(int by)
{
    must(write(by, "d", 1) == 1, "write");
    wait(NULL);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc < 4)
        return 2;
    must(!chdir(argv[1]), argv[1]);
    int by = deleter();
    for (int i = atoi(argv[3]); i > 0; i--)
        say(NULL);
    const char *how = argv[2];
    if (!strcmp(how, "chroot") || !strcmp(how, "gone"))
        must(!chroot("jail") && !chdir("/"), "chroot");
    if (!strcmp(how, "setuid"))
        must(!setgroups(0, NULL) && !setgid(10000) && !setuid(10000), "setuid");
    if (!strcmp(how, "delete") || !strcmp(how, "gone"))
        delete(by);
    if (!strcmp(how, "bind")) {
        must(!unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
                 !mount("other", "passwd", NULL, MS_BIND, NULL), "mount");
        struct timespec begin, now;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &begin);
        do
            clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        while (now.tv_nsec == begin.tv_nsec);
    }
    say("first");
    say("second");
    must(!pthread_create(&thread, NULL, say_in_thread, NULL) && !pthread_join(thread, NULL), "thread");
    pid_t child = fork();
    if (child == 0) {
        say("child");
        _exit(0);
    }
    must(waitpid(child, NULL, 0) == child, "fork");
    usleep(20000);
    say("later");
    return 0;
}
