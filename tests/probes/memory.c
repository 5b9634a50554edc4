/* memory: asks everything with the first allocation failing, then the second, and so on until none
 * fails; and again with all later ones failing too. Every answer is right or an error code, and once
 * memory is there again all answers are right. Prints how many allocations have failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USERS = 40 };
static long (*fail_allocation)(long, int);
static bool (*enabled)(void);
static int version, memory_is_short;
static long nth;

/* Not stdio: it allocates. */
static void die(const char *what)
{
    char text[256];
    int len = snprintf(text, sizeof text, "allocation %ld, %s: errno %d\n", nth, what, errno);
    if (write(2, text, (size_t)len) != len)
        _exit(3);
    _exit(2);
}

static void must(int ok, const char *what)
{
    if (!ok)
        die(what);
}

static void edit(void)
{
    static char text[2][16384];
    int len[2] = { 0, 0 };
    version++;
    for (int i = 0; i < USERS; i++) {
        len[0] += sprintf(text[0] + len[0], "u%d:x:%d:1:v%05d:%0200d:/s\n", i, 1000 + i, version, i);
        len[1] += sprintf(text[1] + len[1], "g%d:x:%d:v%05d,bob,%0200d\n", i, 1000 + i, version, i);
    }
    for (int g = 0; g < 2; g++) {
        int fd = open(getenv(g ? "NSS_WRAPPER_GROUP" : "NSS_WRAPPER_PASSWD"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        must(fd >= 0 && write(fd, "bad line\n", 9) == 9 && write(fd, text[g], (size_t)len[g]) == len[g] && !close(fd), "edit");
    }
}

static int is_ours(const char *name, unsigned id, const char *mark, char kind)
{
    char want[16];
    sprintf(want, "%c%u", kind, id - 1000);
    if (strcmp(name, want))
        return 0;
    sprintf(want, "v%05d", version);
    return !strcmp(mark, want);
}

/* An error is one that the failed allocation explains. */
static void error(int code, const char *what)
{
    errno = code;
    must(memory_is_short && (code == ENOMEM || code == EAGAIN), what);
}

static void user(int rc, const struct passwd *p, unsigned id, const char *what)
{
    if (rc)
        error(rc, what);
    else
        must(p && p->pw_uid == id && is_ours(p->pw_name, id, p->pw_gecos, 'u'), what);
    must(!rc || !p, "an error and a result");
}

static void group(int rc, const struct group *g, unsigned id, const char *what)
{
    if (rc)
        error(rc, what);
    else
        must(g && g->gr_gid == id && is_ours(g->gr_name, id, g->gr_mem[0], 'g') && !strcmp(g->gr_mem[1], "bob"), what);
    must(!rc || !g, "an error and a result");
}

static void absent(int rc, const void *result, const char *what)
{
    if (rc)
        error(rc, what);
    must(!result, what);
}

#define WITHOUT_R(check, call, ...) do { \
        errno = 0; \
        __typeof__(call) result = call; \
        check(result ? 0 : errno, result, __VA_ARGS__); \
    } while (0)

static void users(void)
{
    unsigned id = 1000;
    struct passwd *p;
    setpwent();
    for (errno = 0; (p = getpwent()); errno = 0)
        user(0, p, id++, "getpwent");
    if (errno)
        error(errno, "getpwent");
    else
        must(id == 1000 + USERS, "getpwent ends too early");
    endpwent();
}

static void groups(void)
{
    unsigned id = 1000;
    struct group *g;
    setgrent();
    for (errno = 0; (g = getgrent()); errno = 0)
        group(0, g, id++, "getgrent");
    if (errno)
        error(errno, "getgrent");
    else
        must(id == 1000 + USERS, "getgrent ends too early");
    endgrent();
}

static void ask_all(void)
{
    char buf[1024];
    gid_t gids[64];
    struct passwd pw, *p = NULL;
    struct group gr, *g = NULL;
    int rc, count;

    must(enabled(), "nss_wrapper_enabled");
    for (int round = 0; round < 2; round++) {
        rc = getpwnam_r("u7", &pw, buf, sizeof buf, &p);
        user(rc, p, 1007, "getpwnam_r");
        rc = getpwuid_r(1008, &pw, buf, sizeof buf, &p);
        user(rc, p, 1008, "getpwuid_r");
        WITHOUT_R(user, getpwnam("u9"), 1009, "getpwnam");
        WITHOUT_R(user, getpwuid(1010), 1010, "getpwuid");
        rc = getpwnam_r("nosuch", &pw, buf, sizeof buf, &p);
        absent(rc, p, "getpwnam_r of nobody");
        WITHOUT_R(absent, getpwuid(0), "getpwuid of nobody");
        rc = getgrnam_r("g7", &gr, buf, sizeof buf, &g);
        group(rc, g, 1007, "getgrnam_r");
        rc = getgrgid_r(1008, &gr, buf, sizeof buf, &g);
        group(rc, g, 1008, "getgrgid_r");
        WITHOUT_R(group, getgrnam("g9"), 1009, "getgrnam");
        WITHOUT_R(group, getgrgid(1010), 1010, "getgrgid");
        WITHOUT_R(absent, getgrnam("nosuch"), "getgrnam of nobody");
        count = 64;
        errno = 0;
        rc = getgrouplist("bob", 5, gids, &count);
        if (rc < 0)
            error(errno, "getgrouplist");
        else
            must(rc == USERS + 1 && count == rc && gids[0] == 5 && gids[USERS] == 999 + USERS, "getgrouplist");
        errno = 0;
        if (initgroups("bob", 5))
            error(errno, "initgroups");
        users();
        groups();
        if (round == 0)
            edit();
    }
}

int main(void)
{
    long failures = 0;
    *(void **)&fail_allocation = dlsym(RTLD_DEFAULT, "fail_allocation");
    *(void **)&enabled = dlsym(RTLD_DEFAULT, "nss_wrapper_enabled");
    must(fail_allocation && enabled, "the libraries are not preloaded");
    edit();
    for (int all = 0; all < 2; all++)
        for (nth = 1;; nth++) {
            pid_t child = fork();
            if (child == 0) {
                memory_is_short = 1;
                fail_allocation(nth, all);
                ask_all();
                long failed = fail_allocation(0, 0);
                memory_is_short = 0;
                ask_all();
                _exit(failed ? 77 : 0);
            }
            int status = -1;
            must(child > 0 && waitpid(child, &status, 0) == child, "fork");
            if (status == 0)
                break;
            must(WIFEXITED(status) && WEXITSTATUS(status) == 77, WIFSIGNALED(status) ? "a crash" : "a child failed");
            version = 1;
            edit();
            failures++;
        }
    printf("%ld failures\n", failures);
    return 0;
}
