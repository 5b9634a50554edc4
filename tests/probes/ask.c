/* Answers one question a line from standard input with one line: a row, "none" or "error ...". The
 * test edits files between the questions.
 *
 *   user NAME|UID    group NAME|GID    users    groups    memberships NAME
 *   set users|groups    next users|groups    end users|groups
 *   share users|groups  8 threads begin and walk one enumeration together
 *   threads NAME     so many of 8 threads as find the user, each asking 50 times
 *   fork QUESTION    asks in a child
 *   setenv NAME VALUE   chdir DIR   stderr FILE (to have that at descriptor 2) */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void say_user(const struct passwd *p)
{
    if (p)
        printf("%s:%s:%u:%u:%s:%s:%s\n", p->pw_name, p->pw_passwd, p->pw_uid, p->pw_gid, p->pw_gecos,
               p->pw_dir, p->pw_shell);
    else
        printf(errno ? "error %s\n" : "none\n", strerror(errno));
}

static void say_group(const struct group *g)
{
    if (g) {
        printf("%s:%s:%u:", g->gr_name, g->gr_passwd, g->gr_gid);
        for (char **m = g->gr_mem; *m; m++)
            printf("%s%s", m == g->gr_mem ? "" : ",", *m);
        puts("");
    } else
        printf(errno ? "error %s\n" : "none\n", strerror(errno));
}

static void *look(void *name)
{
    char buf[4096];
    struct passwd pw, *found;
    for (int i = 0; i < 50; i++)
        if (getpwnam_r(name, &pw, buf, sizeof buf, &found) || !found)
            return NULL;
    return name;
}

enum { MOST = 10000 };
static _Atomic int rows, times[MOST];

static void *walk(void *users)
{
    char buf[4096];
    struct passwd pw, *p;
    struct group gr, *g;
    while (users ? !getpwent_r(&pw, buf, sizeof buf, &p) : !getgrent_r(&gr, buf, sizeof buf, &g)) {
        rows++;
        times[(users ? pw.pw_uid : gr.gr_gid) % MOST]++;
    }
    return NULL;
}

static void share(int users)
{
    pthread_t thread[8];
    int different = 0;
    rows = 0;
    memset((void *)times, 0, sizeof times);
    users ? endpwent() : endgrent();
    for (int i = 0; i < 8; i++)
        pthread_create(&thread[i], NULL, walk, users ? &rows : NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < MOST; i++)
        different += times[i] != 0;
    printf("%d rows, %d different\n", rows, different);
}

static void answer(const char *verb, char *what)
{
    errno = 0;
    if (!strcmp(verb, "user"))
        say_user(isdigit(*what) ? getpwuid((uid_t)strtoul(what, NULL, 10)) : getpwnam(what));
    else if (!strcmp(verb, "group"))
        say_group(isdigit(*what) ? getgrgid((gid_t)strtoul(what, NULL, 10)) : getgrnam(what));
    else if (!strcmp(verb, "users")) {
        setpwent();
        for (struct passwd *p; (p = getpwent());)
            printf("%s ", p->pw_name);
        endpwent();
        puts("");
    } else if (!strcmp(verb, "groups")) {
        setgrent();
        for (struct group *g; (g = getgrent());)
            printf("%s ", g->gr_name);
        endgrent();
        puts("");
    } else if (!strcmp(verb, "memberships")) {
        gid_t gids[64];
        int count = 64;
        getgrouplist(what, 7, gids, &count);
        for (int i = 0; i < count; i++)
            printf("%u ", gids[i]);
        puts("");
    } else if (!strcmp(verb, "set")) {
        *what == 'u' ? setpwent() : setgrent();
        puts("done");
    } else if (!strcmp(verb, "next")) {
        *what == 'u' ? say_user(getpwent()) : say_group(getgrent());
    } else if (!strcmp(verb, "end")) {
        *what == 'u' ? endpwent() : endgrent();
        puts("done");
    } else if (!strcmp(verb, "setenv")) {
        char *name = strsep(&what, " ");
        puts(setenv(name, what, 1) ? "failed" : "done");
    } else if (!strcmp(verb, "chdir")) {
        puts(chdir(what) ? "failed" : "done");
    } else if (!strcmp(verb, "stderr")) {
        close(2);
        puts(open(what, O_WRONLY | O_CREAT, 0644) == 2 ? "done" : "failed");
    } else if (!strcmp(verb, "share")) {
        share(*what == 'u');
    } else if (!strcmp(verb, "threads")) {
        pthread_t thread[8];
        int found = 0;
        for (int i = 0; i < 8; i++)
            pthread_create(&thread[i], NULL, look, what);
        for (int i = 0; i < 8; i++) {
            void *got;
            pthread_join(thread[i], &got);
            found += got != NULL;
        }
        printf("%d\n", found);
    } else
        puts("what?");
}

int main(void)
{
    static char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *rest = line, *verb = strsep(&rest, " ");
        if (!strcmp(verb, "fork")) {
            verb = strsep(&rest, " ");
            pid_t child = fork();
            if (child == 0) {
                answer(verb, rest ? rest : "");
                fflush(stdout);
                _exit(0);
            }
            waitpid(child, NULL, 0);
        } else
            answer(verb, rest ? rest : "");
        fflush(stdout);
    }
    return 0;
}
