/* statics: what a function without _r returned stays as it is until the thread's next call of the
 * same family, whatever other families, other threads, and edits do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void put(const char *variable, const char *text)
{
    int fd = open(getenv(variable), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !close(fd), variable);
}

static const struct passwd *main_user;
static const struct group *main_group;

static void *other_thread(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        const struct passwd *p = i & 1 ? getpwnam("ann") : getpwuid(2);
        const struct group *g = i & 1 ? getgrnam("club") : getgrgid(6);
        must(p && p != main_user && !strcmp(p->pw_name, "ann"), "another thread's user");
        must(g && g != main_group && !strcmp(g->gr_mem[0], "ann"), "another thread's group");
    }
    return unused;
}

int main(void)
{
    char buf[512];
    struct passwd pw, *p;
    pthread_t thread;

    put("NSS_WRAPPER_PASSWD", "bob:x:1:1:Bob:/b:/s\nann:x:2:2:Ann:/a:/t\n");
    put("NSS_WRAPPER_GROUP", "lab:x:5:bob\nclub:x:6:ann\n");
    main_user = getpwnam("bob");
    main_group = getgrgid(5);
    must(main_user && main_group, "both are there");
    must(!pthread_create(&thread, NULL, other_thread, NULL) && !pthread_join(thread, NULL), "a thread");
    /* The caller's buffer is another family's room. */
    must(!getpwnam_r("ann", &pw, buf, sizeof buf, &p) && p == &pw, "getpwnam_r");
    put("NSS_WRAPPER_PASSWD", "carl:x:3:3:Carl:/c:/u\n");
    must(!getpwnam_r("bob", &pw, buf, sizeof buf, &p) && !p, "the edit is seen");
    must(!strcmp(main_user->pw_name, "bob") && main_user->pw_uid == 1 && !strcmp(main_user->pw_gecos, "Bob") &&
             !strcmp(main_user->pw_dir, "/b") && !strcmp(main_user->pw_shell, "/s"), "the user has changed");
    for (int i = 0; i < 100; i++)
        must(getpwuid(3) != NULL, "carl");
    must(!strcmp(main_group->gr_name, "lab") && !strcmp(main_group->gr_mem[0], "bob") && !main_group->gr_mem[1],
         "the group has changed");
    puts("fine");
    return 0;
}
