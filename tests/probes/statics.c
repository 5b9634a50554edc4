/* statics: the result of a function without _r may not change before the same thread calls that function
 * again, whatever other functions, other threads and edits do, and also if the thread ends. The library's
 * variables name the files, which this program writes. */
#define _GNU_SOURCE
#include "say.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { DATABASES = 4, ROOM = 256 };

/* The results that a thread has got, one of each database. */
struct results {
    const struct passwd *user;
    const struct group *group;
    const struct spwd *shadow;
    const struct hostent *host;
};

static const char *const variables[DATABASES] = {
    "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP", "NSS_WRAPPER_SHADOW", "NSS_WRAPPER_HOSTS",
};
static const char *const files[DATABASES] = {
    "bob:x:1:1:Bob:/b:/s\nann:x:2:2:Ann:/a:/t\neve:x:3:3:Eve:/e:/u\n",
    "lab:x:5:bob\nclub:x:6:ann\nhall:x:7:eve\n",
    "bob:p:1:2:3:4:5:6:7\nann:q:2:3:4:5:6:7:8\neve:r:3:4:5:6:7:8:9\n",
    "10.0.0.1 bob.site b\n10.0.0.2 ann.site a\n10.0.0.3 eve.site e\n",
};

/* The entries of a person in the files: name or id to ask for, and the text of the answer. */
static const struct person {
    const char *name, *group, *host;
    unsigned uid, gid;
    const char *text[DATABASES];
} people[] = {
    { "bob", "lab", "bob.site", 1, 5,
      { "bob:x:1:1:Bob:/b:/s", "lab:x:5:bob", "bob:p:1:2:3:4:5:6:7", "bob.site (b) 10.0.0.1" } },
    { "ann", "club", "ann.site", 2, 6,
      { "ann:x:2:2:Ann:/a:/t", "club:x:6:ann", "ann:q:2:3:4:5:6:7:8", "ann.site (a) 10.0.0.2" } },
    { "eve", "hall", "eve.site", 3, 7,
      { "eve:x:3:3:Eve:/e:/u", "hall:x:7:eve", "eve:r:3:4:5:6:7:8:9", "eve.site (e) 10.0.0.3" } },
};

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void put(int database, const char *text)
{
    int fd = open(getenv(variables[database]), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !close(fd), variables[database]);
}

static struct results ask(const struct person *p, int by_id)
{
    return (struct results){
        by_id ? getpwuid(p->uid) : getpwnam(p->name),
        by_id ? getgrgid(p->gid) : getgrnam(p->group),
        getspnam(p->name),
        by_id ? gethostbyname2(p->host, AF_INET) : gethostbyname(p->host),
    };
}

static void check(const struct results *of, const struct person *p, const char *when)
{
    const void *row[DATABASES] = { of->user, of->group, of->shadow, of->host };
    void (*say_row[])(struct text *, const void *, const struct place *) = {
        say_passwd, say_group, say_shadow, say_host,
    };
    for (int i = 0; i < DATABASES; i++) {
        char room[ROOM] = "";
        struct text text = { room, 0, ROOM };
        must(row[i] != NULL, p->text[i]);
        say_row[i](&text, row[i], NULL);
        if (strcmp(room, p->text[i])) {
            fprintf(stderr, "%s: %s instead of %s\n", when, room, p->text[i]);
            exit(1);
        }
    }
}

static struct results of_main;
static pthread_barrier_t both;

/* Gives the thread's last results. */
static void *run(void *person)
{
    static struct results last[2];
    struct results mine;
    for (int round = 0; round < 2000; round++) {
        mine = ask(person, round % 2);
        check(&mine, person, "at once");
        must(mine.user != of_main.user && mine.group != of_main.group && mine.shadow != of_main.shadow &&
                 mine.host != of_main.host, "a thread has the main thread's result");
    }
    pthread_barrier_wait(&both);
    check(&mine, person, "when the other thread has asked");
    struct results *kept = &last[(struct person *)person - &people[1]];
    *kept = mine;
    return kept;
}

int main(void)
{
    char buf[512];
    struct passwd pw, *p;
    pthread_t thread[2];

    for (int i = 0; i < DATABASES; i++)
        put(i, files[i]);
    of_main = ask(&people[0], 0);
    check(&of_main, &people[0], "at first");
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++)
        must(!pthread_create(&thread[i], NULL, run, (void *)&people[i + 1]), "a thread");
    struct results *of_thread[2];
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], (void **)&of_thread[i]);
    for (int i = 0; i < 2; i++)
        check(of_thread[i], &people[i + 1], "when its thread has ended");
    check(&of_main, &people[0], "when threads have asked");
    /* A function with _r writes to the caller's buffer alone. */
    must(!getpwnam_r("ann", &pw, buf, sizeof buf, &p) && p == &pw, "getpwnam_r");
    put(0, "carl:x:3:3:Carl:/c:/u\n");
    must(!getpwnam_r("bob", &pw, buf, sizeof buf, &p) && !p, "the edit is seen");
    check(&of_main, &people[0], "after an edit");
    /* Calls of one family leave the results of the others alone. */
    put(0, files[0]);
    for (int i = 0; i < 100; i++)
        of_main.user = i % 2 ? getpwuid(1) : getpwnam("bob");
    check(&of_main, &people[0], "after calls of another family");
    /* Nor do calls of other functions of the family, as in glibc. */
    of_main = ask(&people[0], 0);
    must(getpwuid(2) && getgrgid(6) && gethostbyaddr("\12\0\0\2", 4, AF_INET), "rows by id");
    for (int i = 0; i < 2; i++)
        must(getpwent() && getgrent() && getspent() && gethostent(), "rows of enumerations");
    check(&of_main, &people[0], "after calls of other functions");
    puts("fine");
    return 0;
}
