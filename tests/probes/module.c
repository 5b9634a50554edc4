/* Does what its arguments say, in their order, and prints a line for each:
 *
 *   pwnam=NAME pwuid=ID pwent[=N] setpwent endpwent      and gr… for groups: without _r
 *   pwnam_r=NAME pwuid_r=ID pwent_r=LEN                  with _r and a buffer that fits, or of LEN bytes
 *   list=NAME init=NAME                                  getgrouplist, initgroups; first group 1
 *   expand=WORD                                          wordexp: libc's own lookup
 *   fail=N failed                                        the allocation of that number from now on
 *                                                        fails; how many have failed
 *   files=N                                              the limit of open files from now on
 *   fork                                                 goes on in a child
 *   link=TO                                              makes a symbolic link there named module.so
 *   threads=N                                            N threads look up users and groups of the module
 *   forks=N                                              the same, and N children do it meanwhile
 *
 * pwent=N goes on for at most N rows. A field of more than 40 bytes is shown as its length. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

/* Of failing_malloc.c, if it is preloaded. */
extern long fail_allocation(long nth, int all) __attribute__((weak));

static void field(const char *text, char end)
{
    if (!text)
        printf("(null)%c", end);
    else if (strlen(text) > 40)
        printf("<%zu>%c", strlen(text), end);
    else
        printf("%s%c", text, end);
}

static void user(const char *what, int code, const struct passwd *pw)
{
    printf("%s: ", what);
    if (!pw) {
        printf("none %d\n", code);
        return;
    }
    field(pw->pw_name, ':');
    field(pw->pw_passwd, ':');
    printf("%u:%u:", pw->pw_uid, pw->pw_gid);
    field(pw->pw_gecos, ':');
    field(pw->pw_dir, ':');
    field(pw->pw_shell, '\n');
}

static void group(const char *what, int code, const struct group *gr)
{
    printf("%s: ", what);
    if (!gr) {
        printf("none %d\n", code);
        return;
    }
    field(gr->gr_name, ':');
    field(gr->gr_passwd, ':');
    printf("%u:", gr->gr_gid);
    for (char **m = gr->gr_mem; *m; m++)
        field(*m, m[1] ? '|' : ' ');
    printf("\n");
}

static char buf[1 << 17];

/* All that the row points to must lie in the first `len` bytes of the buffer. */
static void inside(const void *at, size_t len)
{
    if ((const char *)at < buf || (const char *)at >= buf + len) {
        printf("outside of the buffer\n");
        exit(1);
    }
}

static void user_r(const char *what, int code, const struct passwd *pw, size_t len)
{
    user(what, code, pw);
    if (pw) {
        inside(pw->pw_name, len);
        inside(pw->pw_passwd, len);
        inside(pw->pw_gecos, len);
        inside(pw->pw_dir, len);
        inside(pw->pw_shell, len);
    }
}

static void group_r(const char *what, int code, const struct group *gr, size_t len)
{
    group(what, code, gr);
    if (gr) {
        inside(gr->gr_name, len);
        inside(gr->gr_passwd, len);
        inside(gr->gr_mem, len);
        for (char **m = gr->gr_mem; *m; m++)
            inside(*m, len);
    }
}

static void list(const char *what, const char *name)
{
    static gid_t gids[65536];
    int count = 65536;
    int code = getgrouplist(name, 1, gids, &count);
    printf("%s: %d:", what, code);
    for (int i = 0; i < count && i < 8 && code >= 0; i++)
        printf(" %u", gids[i]);
    printf("\n");
}

static void init(const char *what, const char *name)
{
    static gid_t gids[65536];
    int code = initgroups(name, 1);
    int count = getgroups(65536, gids);
    printf("%s: %d:", what, code);
    for (int i = 0; i < count && i < 8; i++)
        printf(" %u", gids[i]);
    printf("\n");
}

/* Exits with 1 on an answer that is wrong. */
static void look_up(int rounds)
{
    char own[256], name[8];
    struct passwd pw, *pwp;
    struct group gr, *grp;
    for (int i = 0; i < rounds; i++) {
        int n = i % 4;
        n += n > 0; /* the files have 11 */
        snprintf(name, sizeof name, "m%d", n);
        if (getpwnam_r(name, &pw, own, sizeof own, &pwp) || !pwp || pw.pw_uid != 10 + (uid_t)n)
            _exit(1);
        if (getgrgid_r(20 + (gid_t)n, &gr, own, sizeof own, &grp) || !grp || gr.gr_name[1] != '0' + n)
            _exit(1);
        pwp = getpwuid(10 + (uid_t)n);
        if (!pwp || strcmp(pwp->pw_name, name))
            _exit(1);
        if (getpwnam_r("nobody", &pw, own, sizeof own, &pwp) || pwp)
            _exit(1);
    }
}

static pthread_barrier_t all_are_there;

static void *looks_up(void *nothing)
{
    pthread_barrier_wait(&all_are_there);
    look_up(2000);
    return nothing;
}

static void threads(const char *what, int count, int forks)
{
    pthread_t thread[16];
    pthread_barrier_init(&all_are_there, NULL, (unsigned)count + 1);
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, looks_up, NULL))
            abort();
    pthread_barrier_wait(&all_are_there);
    for (int i = 0; i < forks; i++) {
        int status;
        pid_t child = fork();
        if (!child) {
            alarm(10);
            look_up(10);
            _exit(0);
        }
        if (waitpid(child, &status, 0) != child || status)
            exit(1);
    }
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
    printf("%s: right\n", what);
}

static int is(const char *arg, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (strncmp(arg, name, n) || (arg[n] && arg[n] != '='))
        return 0;
    *value = arg[n] ? arg + n + 1 : NULL;
    return 1;
}

static void act(const char *arg)
{
    const char *v;
    struct passwd pw, *pwp;
    struct group gr, *grp;
    int code;
    size_t len = sizeof buf;

    errno = 0;
    if (is(arg, "pwnam", &v)) {
        pwp = getpwnam(v);
        user(arg, errno, pwp);
    } else if (is(arg, "pwuid", &v)) {
        pwp = getpwuid((uid_t)atol(v));
        user(arg, errno, pwp);
    } else if (is(arg, "pwnam_r", &v)) {
        code = getpwnam_r(v, &pw, buf, len, &pwp);
        user_r(arg, code, pwp, len);
    } else if (is(arg, "pwuid_r", &v)) {
        code = getpwuid_r((uid_t)atol(v), &pw, buf, len, &pwp);
        user_r(arg, code, pwp, len);
    } else if (is(arg, "pwent_r", &v)) {
        len = v ? (size_t)atol(v) : len;
        code = getpwent_r(&pw, buf, len, &pwp);
        user_r(arg, code, code ? NULL : pwp, len);
    } else if (is(arg, "pwent", &v)) {
        for (int n = v ? atoi(v) : 1000; n > 0 && (pwp = getpwent()); n--)
            user(arg, 0, pwp);
    } else if (is(arg, "setpwent", &v)) {
        setpwent();
    } else if (is(arg, "endpwent", &v)) {
        endpwent();
    } else if (is(arg, "grnam", &v)) {
        grp = getgrnam(v);
        group(arg, errno, grp);
    } else if (is(arg, "grgid", &v)) {
        grp = getgrgid((gid_t)atol(v));
        group(arg, errno, grp);
    } else if (is(arg, "grnam_r", &v)) {
        code = getgrnam_r(v, &gr, buf, len, &grp);
        group_r(arg, code, grp, len);
    } else if (is(arg, "grgid_r", &v)) {
        code = getgrgid_r((gid_t)atol(v), &gr, buf, len, &grp);
        group_r(arg, code, grp, len);
    } else if (is(arg, "grent_r", &v)) {
        len = v ? (size_t)atol(v) : len;
        code = getgrent_r(&gr, buf, len, &grp);
        group_r(arg, code, code ? NULL : grp, len);
    } else if (is(arg, "grent", &v)) {
        for (int n = v ? atoi(v) : 1000; n > 0 && (grp = getgrent()); n--)
            group(arg, 0, grp);
    } else if (is(arg, "setgrent", &v)) {
        setgrent();
    } else if (is(arg, "endgrent", &v)) {
        endgrent();
    } else if (is(arg, "list", &v)) {
        list(arg, v);
    } else if (is(arg, "init", &v)) {
        init(arg, v);
    } else if (is(arg, "expand", &v)) {
        wordexp_t found;
        code = wordexp(v, &found, WRDE_NOCMD);
        printf("%s: %d %s\n", arg, code, code ? "-" : found.we_wordv[0]);
        wordfree(&found);
    } else if (is(arg, "failed", &v)) {
        printf("failed %ld\n", fail_allocation(0, 0));
    } else if (is(arg, "fail", &v)) {
        fail_allocation(atol(v), 0);
    } else if (is(arg, "files", &v)) {
        struct rlimit limit = { (rlim_t)atol(v), 1024 };
        if (setrlimit(RLIMIT_NOFILE, &limit))
            abort();
    } else if (is(arg, "fork", &v)) {
        int status;
        pid_t child = fork();
        if (child > 0) {
            if (waitpid(child, &status, 0) != child)
                abort();
            exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
        }
    } else if (is(arg, "link", &v)) {
        if (symlink(v, "module.so"))
            abort();
    } else if (is(arg, "threads", &v)) {
        threads(arg, atoi(v), 0);
    } else if (is(arg, "forks", &v)) {
        threads(arg, 2, atoi(v));
    } else {
        fprintf(stderr, "%s?\n", arg);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        act(argv[i]);
        fflush(stdout);
    }
    return 0;
}
