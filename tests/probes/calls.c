/* calls KEY...: prints what every function of pwd.h and grp.h says, one call a line: for each key
 * by name, or by id if it is a number, then by enumeration. A line shows errno if the call changed
 * it. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNTOUCHED = 7777 };
static char buf[1 << 16];

/* Any pointer but a result's: not found must store NULL over it. */
#define JUNK ((void *)buf)

#define SAY(...) (printf(__VA_ARGS__), errno = UNTOUCHED)

static void end_line(void)
{
    if (errno != UNTOUCHED)
        printf(" errno %d", errno);
    putchar('\n');
}

static void user(const struct passwd *p)
{
    int kept = errno;
    if (p == JUNK)
        printf("left alone");
    else if (p)
        printf("%s:%s:%u:%u:%s:%s:%s", p->pw_name, p->pw_passwd, p->pw_uid, p->pw_gid, p->pw_gecos,
               p->pw_dir, p->pw_shell);
    else
        printf("none");
    errno = kept;
    end_line();
}

static void group(const struct group *g)
{
    int kept = errno;
    if (g == JUNK) {
        printf("left alone");
    } else if (g) {
        printf("%s:%s:%u:", g->gr_name, g->gr_passwd, g->gr_gid);
        for (char **m = g->gr_mem; *m; m++)
            printf("%s%s", m == g->gr_mem ? "" : ",", *m);
    } else
        printf("none");
    errno = kept;
    end_line();
}

static void passwd_key(const char *key)
{
    struct passwd pw, *found = JUNK;
    int rc;
    if (isdigit(*key)) {
        uid_t id = (uid_t)strtoul(key, NULL, 10);
        SAY("passwd getpwuid(%s) ", key);
        user(getpwuid(id));
        SAY("passwd getpwuid_r(%s) ", key);
        rc = getpwuid_r(id, &pw, buf, sizeof buf, &found);
    } else {
        SAY("passwd getpwnam(%s) ", key);
        user(getpwnam(key));
        SAY("passwd getpwnam_r(%s) ", key);
        rc = getpwnam_r(key, &pw, buf, sizeof buf, &found);
    }
    printf("%d ", rc);
    user(found);
}

static void group_key(const char *key)
{
    struct group gr, *found = JUNK;
    int rc;
    if (isdigit(*key)) {
        gid_t id = (gid_t)strtoul(key, NULL, 10);
        SAY("group getgrgid(%s) ", key);
        group(getgrgid(id));
        SAY("group getgrgid_r(%s) ", key);
        rc = getgrgid_r(id, &gr, buf, sizeof buf, &found);
    } else {
        SAY("group getgrnam(%s) ", key);
        group(getgrnam(key));
        SAY("group getgrnam_r(%s) ", key);
        rc = getgrnam_r(key, &gr, buf, sizeof buf, &found);
    }
    printf("%d ", rc);
    group(found);
}

static void memberships(const char *name)
{
    for (int room = 64; room >= 0; room = room > 3 ? 3 : room - 1) {
        gid_t gids[64];
        int count = room;
        memset(gids, 0xee, sizeof gids);
        SAY("group getgrouplist(%s, 7, room for %d) ", name, room);
        int rc = getgrouplist(name, 7, gids, &count);
        printf("%d of %d:", rc, count);
        for (int i = 0; i < 64 && gids[i] != 0xeeeeeeee; i++)
            printf(" %u", gids[i]);
        end_line();
    }
}

static void passwd_list(void)
{
    struct passwd pw, *found, *p;
    int rc;
    SAY("passwd getpwent, not begun ");
    user(getpwent());
    setpwent();
    SAY("passwd getpwent, begun ");
    user(getpwent());
    SAY("passwd getpwent, second ");
    user(getpwent());
    endpwent();
    do {
        SAY("passwd getpwent ");
        user(p = getpwent());
    } while (p);
    SAY("passwd getpwent, after the end ");
    user(getpwent());
    SAY("passwd setpwent");
    setpwent();
    end_line();
    do {
        found = JUNK;
        SAY("passwd getpwent_r ");
        rc = getpwent_r(&pw, buf, sizeof buf, &found);
        printf("%d ", rc);
        user(found);
    } while (!rc);
    SAY("passwd endpwent");
    endpwent();
    end_line();
}

static void group_list(void)
{
    struct group gr, *found, *g;
    int rc;
    SAY("group getgrent, not begun ");
    group(getgrent());
    setgrent();
    SAY("group getgrent, begun ");
    group(getgrent());
    SAY("group getgrent, second ");
    group(getgrent());
    endgrent();
    do {
        SAY("group getgrent ");
        group(g = getgrent());
    } while (g);
    SAY("group getgrent, after the end ");
    group(getgrent());
    SAY("group setgrent");
    setgrent();
    end_line();
    do {
        found = JUNK;
        SAY("group getgrent_r ");
        rc = getgrent_r(&gr, buf, sizeof buf, &found);
        printf("%d ", rc);
        group(found);
    } while (!rc);
    SAY("group endgrent");
    endgrent();
    end_line();
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        passwd_key(argv[i]);
        group_key(argv[i]);
        if (!isdigit(*argv[i]))
            memberships(argv[i]);
    }
    passwd_list();
    group_list();
    return 0;
}
