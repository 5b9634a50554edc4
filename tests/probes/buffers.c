/* buffers: calls every _r function with buffers of every length from 0 to enough and more, at every
 * alignment, between bytes that must stay and, right behind them, a page that nobody may touch.
 * Prints the number of calls. The files have the rows below in them. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MOST = 400, KEPT = 7777, CANARY = 0xa5 };
enum function { NAM, ID, ENT, FUNCTIONS };
static const char *const users[] = {
    "a::1:1:::", "bob:x:1000:100:Bob, B.:/home/bob:/bin/sh", "long-name-of-a-user:*:3:4:x:/:/sbin/nologin",
};
static const char *const groups[] = {
    "g::1:", "one:x:2:bob", "many:x:3:a,bc,def,ghij,klmno", "long-name-of-a-group:*:4:bob,ann",
};
enum { USERS = sizeof users / sizeof *users, GROUPS = sizeof groups / sizeof *groups };

static char *buf;
static size_t len;
static unsigned long calls;
static const char *current;

static void die(const char *what)
{
    printf("%s: %s, length %zu, alignment %zu\n", current, what, len, (size_t)buf % 16);
    exit(1);
}

static void inside(const void *at, size_t size)
{
    if ((const char *)at < buf || (const char *)at + size > buf + len)
        die("a pointer leads out of the buffer");
}

static char *add(char *to, const char *text, char after)
{
    inside(text, strlen(text) + 1);
    return to + sprintf(to, "%s%c", text, after);
}

static int call_user(enum function f, const char *name, unsigned id, char *text)
{
    struct passwd pw, *found = (void *)text;
    memset(&pw, 0xee, sizeof pw);
    setpwent();
    errno = KEPT;
    int rc = f == NAM ? getpwnam_r(name, &pw, buf, len, &found)
           : f == ID  ? getpwuid_r(id, &pw, buf, len, &found)
                      : getpwent_r(&pw, buf, len, &found);
    if (found != (rc ? NULL : &pw))
        die("the result pointer");
    if (rc)
        return rc;
    char *to = add(text, pw.pw_name, ':');
    to = add(to, pw.pw_passwd, ':');
    to += sprintf(to, "%u:%u:", pw.pw_uid, pw.pw_gid);
    to = add(to, pw.pw_gecos, ':');
    to = add(to, pw.pw_dir, ':');
    add(to, pw.pw_shell, 0);
    return 0;
}

static int call_group(enum function f, const char *name, unsigned id, char *text)
{
    struct group gr, *found = (void *)text;
    memset(&gr, 0xee, sizeof gr);
    setgrent();
    errno = KEPT;
    int rc = f == NAM ? getgrnam_r(name, &gr, buf, len, &found)
           : f == ID  ? getgrgid_r(id, &gr, buf, len, &found)
                      : getgrent_r(&gr, buf, len, &found);
    if (found != (rc ? NULL : &gr))
        die("the result pointer");
    if (rc)
        return rc;
    char *to = add(text, gr.gr_name, ':');
    to = add(to, gr.gr_passwd, ':');
    to += sprintf(to, "%u:", gr.gr_gid);
    if ((uintptr_t)gr.gr_mem % sizeof *gr.gr_mem)
        die("the members are not aligned");
    for (char **m = gr.gr_mem;; m++) {
        inside(m, sizeof *m);
        if (!*m)
            return 0;
        to = add(to, *m, m[1] ? ',' : 0);
    }
}

static void sweep(int group, enum function f, const char *row, char *pages)
{
    char *guard = pages + PAGE, name[64], text[MOST + 64];
    size_t least[16] = { 0 };
    int second = 0;
    unsigned id;
    current = row;
    sscanf(row, "%63[^:]:%*[^0-9]%u", name, &id);
    for (len = 0; len < MOST; len++)
        for (size_t slack = 0; slack < 16; slack++, calls++) {
            memset(pages, CANARY, PAGE);
            buf = guard - slack - len;
            int rc = group ? call_group(f, name, id, text) : call_user(f, name, id, text);
            int kept = errno;
            for (char *at = pages; at < guard; at++)
                if ((at < buf || at >= buf + len) && (unsigned char)*at != CANARY)
                    die("a byte outside is written");
            if (kept != KEPT)
                die("errno is changed");
            size_t *fits = &least[(size_t)buf % 16];
            if (rc == 0) {
                if (strcmp(text, row))
                    die(text);
                *fits = *fits ? *fits : len;
            } else if (rc != ERANGE || *fits)
                die("not ERANGE, or after a shorter buffer was enough");
            second |= !rc;
        }
    if (!second)
        die("never long enough");
    /* As much as its strings need, and its pointers. */
    size_t strings = strlen(row) + 1, spare = 16 + 8 * (size_t)(2 + (group ? strlen(row) : 0));
    for (int i = 0; i < 16; i++)
        if (least[i] > strings + spare)
            die("more than is needed");
}

/* A buffer that was too short loses no row of an enumeration. */
static void retry(int group)
{
    char room[1024], *text = room + 512;
    struct passwd pw, *p;
    struct group gr, *g;
    int rc;
    unsigned rows = 0;
    buf = room;
    current = "enumeration";
    group ? setgrent() : setpwent();
    for (len = 0;; len = 0, rows++) {
        do
            rc = group ? getgrent_r(&gr, buf, len++, &g) : getpwent_r(&pw, buf, len++, &p);
        while (rc == ERANGE && len < 512);
        if (rc)
            break;
        sprintf(text, "%s:", group ? gr.gr_name : pw.pw_name);
        const char *want = group ? groups[rows % GROUPS] : users[rows % USERS];
        if (strncmp(text, want, strlen(text)))
            die(text);
    }
    if (rc != ENOENT || rows != (unsigned)(group ? GROUPS : USERS))
        die("not all rows, or not ENOENT at the end");
}

int main(void)
{
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE))
        return 2;
    for (int f = 0; f < FUNCTIONS; f++) {
        /* The enumeration's first row stands for all. */
        for (int i = 0; i < (f == ENT ? 1 : USERS); i++)
            sweep(0, (enum function)f, users[i], pages);
        for (int i = 0; i < (f == ENT ? 1 : GROUPS); i++)
            sweep(1, (enum function)f, groups[i], pages);
    }
    retry(0);
    retry(1);
    /* No buffer at all. */
    buf = NULL;
    len = 0;
    char text[64];
    for (int f = 0; f < FUNCTIONS; f++)
        if (call_user((enum function)f, "a", 1, text) != ERANGE || call_group((enum function)f, "g", 1, text) != ERANGE)
            die("no buffer");
    printf("%lu calls\n", calls);
    return 0;
}
