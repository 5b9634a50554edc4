/* The files of step.c in two versions, and every question with its right answer. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <shadow.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The version of the files from which every answer must come. */
static volatile int version = 1;
/* At what point a question was asked, for the report of a wrong answer. */
static const char *volatile when = "before the call";
/* Which sources of answers the scenario has. */
static bool has_files = true, has_module;

static void __attribute__((noreturn, format(printf, 2, 3)))
wrong(const char *question, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dprintf(1, "    %s: %s: %s\n", when, question, text);
    _exit(1);
}

static const char *const names[] = { "ann", "bob", "cat", "dan" };
enum { USERS = 4, FILES = 4 };
static const char *const files[FILES] = { "passwd", "group", "shadow", "hosts" };

/* The text of file `f` in version `v`. */
static void print_file(FILE *to, int f, int v)
{
    if (f == 0)
        for (int i = 0; i < USERS; i++)
            fprintf(to, "%s:x:%d:500:%s v%d:/home/v%d:/bin/v%d\n", names[i], 5001 + i, names[i], v, v, v);
    else if (f == 1)
        fprintf(to, "staff:x:500:ann,bob,v%d\nlab:v%d:501:bob,v%d\nempty:v%d:502:\n", v, v, v, v);
    else if (f == 2)
        for (int i = 0; i < USERS; i++)
            fprintf(to, "%s:v%d:1900%d:0:99999:7:::\n", names[i], v, v);
    else
        fprintf(to, "10.1.0.1 one v%d\n10.1.0.2 two v%d\n10.1.0.3 three v%d\n", v, v, v);
}

static void check_user(const char *question, int rc, const struct passwd *p, int i)
{
    char gecos[16], dir[16], shell[16];
    sprintf(gecos, "%s v%d", names[i], version);
    sprintf(dir, "/home/v%d", version);
    sprintf(shell, "/bin/v%d", version);
    if (rc || !p)
        wrong(question, "%s (%d)", rc ? strerror(rc) : "not found", rc);
    if (strcmp(p->pw_name, names[i]) || p->pw_uid != (uid_t)(5001 + i) || strcmp(p->pw_gecos, gecos) ||
        strcmp(p->pw_dir, dir) || strcmp(p->pw_shell, shell))
        wrong(question, "%s:%u:%s:%s:%s, want version %d", p->pw_name, p->pw_uid, p->pw_gecos, p->pw_dir,
              p->pw_shell, version);
}

static void ask_user(int i, bool by_name)
{
    char buf[512];
    struct passwd pw, *p = NULL;
    int rc = by_name ? getpwnam_r(names[i], &pw, buf, sizeof buf, &p)
                     : getpwuid_r((uid_t)(5001 + i), &pw, buf, sizeof buf, &p);
    check_user(by_name ? "getpwnam_r" : "getpwuid_r", rc, p, i);
}

static void ask_nobody(void)
{
    char buf[512];
    struct passwd pw, *p = NULL;
    int rc = getpwnam_r("nobody-such", &pw, buf, sizeof buf, &p);
    if (rc || p)
        wrong("getpwnam_r of nobody", "%s (%d)", p ? "found" : strerror(rc), rc);
}

/* Asks who runs the process. No file has that user, so the entry is the one of NSS_WRAPPER_USER. */
static void ask_me(void)
{
    char buf[512];
    struct passwd pw, *p = NULL;
    int rc = getpwuid_r(getuid(), &pw, buf, sizeof buf, &p);
    if (rc || !p || strcmp(p->pw_name, "me") || strcmp(p->pw_dir, "/home/me"))
        wrong("getpwuid_r of the own id", "%s (%d)", p ? p->pw_name : rc ? strerror(rc) : "not found", rc);
}

static void check_group(const char *question, int rc, const struct group *g, bool is_staff)
{
    char member[8], *const want[2][4] = { { "bob", member }, { "ann", "bob", member } };
    sprintf(member, "v%d", version);
    if (rc || !g)
        wrong(question, "%s (%d)", rc ? strerror(rc) : "not found", rc);
    char *const *w = want[is_staff], **m = g->gr_mem;
    while (*w && *m && !strcmp(*w, *m))
        w++, m++;
    if (*w || *m)
        wrong(question, "%s has %s where %s should be", g->gr_name, *m ? *m : "nobody", *w ? *w : "nobody");
}

static void ask_groups(void)
{
    char buf[512];
    struct group gr, *g = NULL;
    int rc = getgrnam_r("lab", &gr, buf, sizeof buf, &g);
    check_group("getgrnam_r", rc, g, false);
    rc = getgrgid_r(500, &gr, buf, sizeof buf, &g);
    check_group("getgrgid_r", rc, g, true);
}

static void ask_list(void)
{
    gid_t gids[8];
    int count = 8;
    int total = getgrouplist("bob", 7, gids, &count);
    if (total != 3 || count != 3 || gids[0] != 7 || gids[1] != 500 || gids[2] != 501)
        wrong("getgrouplist", "%d of %d", total, count);
}

static void ask_shadow(void)
{
    char buf[512], want[8];
    struct spwd sp, *s = NULL;
    int rc = getspnam_r("ann", &sp, buf, sizeof buf, &s);
    sprintf(want, "v%d", version);
    if (rc || !s || strcmp(s->sp_pwdp, want) || s->sp_lstchg != 19000 + version)
        wrong("getspnam_r", "%s (%d)", s ? s->sp_pwdp : rc ? strerror(rc) : "not found", rc);
}

static void check_host(const char *question, int rc, const struct hostent *h, const char *name, int last)
{
    char alias[8];
    unsigned char address[4] = { 10, 1, 0, (unsigned char)last };
    sprintf(alias, "v%d", version);
    if (rc || !h)
        wrong(question, "%s (%d)", rc ? strerror(rc) : "not found", rc);
    if (strcmp(h->h_name, name) || !h->h_aliases[0] || strcmp(h->h_aliases[0], alias) ||
        memcmp(h->h_addr_list[0], address, 4))
        wrong(question, "%s %s, want version %d", h->h_name, h->h_aliases[0] ? h->h_aliases[0] : "", version);
}

static void ask_hosts(void)
{
    char buf[1024];
    struct hostent he, *h = NULL;
    int reason;
    int rc = gethostbyname_r("two", &he, buf, sizeof buf, &h, &reason);
    check_host("gethostbyname_r", rc, h, "two", 2);
    unsigned char address[4] = { 10, 1, 0, 1 };
    rc = gethostbyaddr_r(address, 4, AF_INET, &he, buf, sizeof buf, &h, &reason);
    check_host("gethostbyaddr_r", rc, h, "one", 1);
}

static void ask_addrinfo(void)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    int rc = getaddrinfo("one", "80", &hints, &found);
    if (rc || !found || found->ai_next ||
        ((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr != inet_addr("10.1.0.1"))
        wrong("getaddrinfo", "%s", rc ? gai_strerror(rc) : "another address");
    freeaddrinfo(found);
}

/* The same of a host with one address, and of one with several, for which libc asks the NSS service. */
static void ask_both_addrinfo(void)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char node[8];
    int count = 0;
    ask_addrinfo();
    sprintf(node, "v%d", version);
    int rc = getaddrinfo(node, "80", &hints, &found);
    for (struct addrinfo *one = found; !rc && one; one = one->ai_next)
        count++;
    if (rc || count != 3)
        wrong("getaddrinfo of three", "%s", rc ? gai_strerror(rc) : "another number of addresses");
    freeaddrinfo(found);
}

static void ask_static(void)
{
    errno = 0;
    const struct passwd *p = getpwnam("cat");
    check_user("getpwnam", p ? 0 : errno, p, 2);
}

/* Set while a handler may go through the same enumeration as the call that it has interrupted. Then each row must be
 * right, but which rows the call gets is open. */
static volatile bool again;
/* Set if the enumeration is to be continued where it stands, and not begun again. */
static volatile bool goes_on;

static void end_of(const char *question, int rc, int count, int want)
{
    if (rc != ENOENT)
        wrong(question, "%s (%d) after %d rows", strerror(rc), rc, count);
    if (!again && count != want)
        wrong(question, "%d rows, not %d", count, want);
}

/* The module has a group with a member of 70,000 bytes. */
enum { LARGE = 80000 };

static void walk_users(void)
{
    char buf[LARGE];
    struct passwd pw, *p;
    int rc, count = 0;
    if (!goes_on)
        setpwent();
    while (!(rc = getpwent_r(&pw, buf, sizeof buf, &p)) && count < 40) {
        if (p->pw_uid == getuid() && !strcmp(p->pw_name, "me"))
            continue;
        if (has_module && p->pw_uid - 5001 >= USERS)
            continue;
        if (p->pw_uid - 5001 >= USERS || (!again && p->pw_uid != (uid_t)(5001 + count)))
            wrong("getpwent_r", "%s in place %d", p->pw_name, count);
        check_user("getpwent_r", 0, p, (int)p->pw_uid - 5001);
        count++;
    }
    end_of("getpwent_r", rc, count, USERS);
    endpwent();
}

static void walk_groups(void)
{
    char buf[LARGE];
    struct group gr, *g;
    int rc, count = 0;
    setgrent();
    while (!(rc = getgrent_r(&gr, buf, sizeof buf, &g)) && count < 40) {
        if (!strcmp(g->gr_name, "me") || (has_module && g->gr_gid - 500 > 2))
            continue;
        if (!again && g->gr_gid != (gid_t)(500 + count))
            wrong("getgrent_r", "%s in place %d", g->gr_name, count);
        count++;
    }
    end_of("getgrent_r", rc, count, 3);
    endgrent();
}

static void walk_hosts(void)
{
    static const char *const list[] = { "one", "two", "three" };
    char buf[512];
    struct hostent he, *h;
    int rc, reason, count = 0;
    if (!goes_on)
        sethostent(0);
    while (!(rc = gethostent_r(&he, buf, sizeof buf, &h, &reason)) && count < 40) {
        int last = h->h_addr_list[0][3];
        if (has_module && h->h_addr_list[0][1] == 9)
            continue;
        if (last < 1 || last > 3 || (!again && last != count + 1))
            wrong("gethostent_r", "%s in place %d", h->h_name, count);
        check_host("gethostent_r", 0, h, list[last - 1], last);
        count++;
    }
    end_of("gethostent_r", rc, count, 3);
    endhostent();
}

/* A handler has interrupted the loader. The library must not call the loader then, and fails with EAGAIN. */
static bool is_in_loader;

/* A user of the NSS module tests/modules/plain.c. */
static void ask_module(void)
{
    char buf[512];
    struct passwd pw, *p = NULL;
    int rc = getpwnam_r("m1", &pw, buf, sizeof buf, &p);
    if (is_in_loader && rc == EAGAIN)
        return;
    if (rc || !p || p->pw_uid != 11 || strcmp(p->pw_dir, "/m"))
        wrong("getpwnam_r of the module's user", "%s (%d)", p ? p->pw_dir : rc ? strerror(rc) : "not found", rc);
}

/* The lookups that a signal handler makes. */
static void ask_in_handler(void)
{
    if (is_in_loader) {
        ask_module();
        return;
    }
    ask_me();
    if (has_files) {
        ask_user(0, false);
        ask_groups();
        ask_hosts();
        ask_list();
        walk_groups();
        ask_nobody();
    }
    if (has_module)
        ask_module();
}

static void ask_all(void)
{
    ask_in_handler();
    if (has_files) {
        ask_user(1, true);
        ask_shadow();
        ask_static();
        ask_addrinfo();
        walk_users();
        walk_hosts();
    }
}
