/* An NSS module whose functions call the program's getpwnam_r and its like before they answer. Its users:
 *
 *   quick   is answered at once
 *   slow    is answered after ten seconds
 *   asksN   before the answer the module asks N times for the same user by name and by id; the home
 *           directory says how deep calls of the module's functions were nested
 *
 * The host hN is answered like asksN. With CONSTRUCTOR the module asks for asks2 while it is being loaded. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int depth, deepest;

static void enter(void)
{
    if (++depth > deepest)
        deepest = depth;
    if (depth > 100) {
        fputs("the module's functions are inside each other without end\n", stderr);
        _exit(70);
    }
}

static void ask(int times, const char *name)
{
    for (int i = 0; i < times; i++) {
        char buf[512];
        struct passwd pw, *p;
        getpwnam_r(name, &pw, buf, sizeof buf, &p);
        getpwuid_r(600 + (uid_t)times, &pw, buf, sizeof buf, &p);
    }
}

#ifdef CONSTRUCTOR
__attribute__((constructor)) static void load(void)
{
    ask(2, "asks2");
}
#endif

static enum nss_status fill(const char *name, uid_t uid, struct passwd *pw, char *buf, size_t len, int *errnop)
{
    int n = snprintf(buf, len, "%s", name) + 1;
    if ((size_t)n + 32 > len) {
        *errnop = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    snprintf(buf + n, len - (size_t)n, "/depth/%d", deepest);
    *pw = (struct passwd){ .pw_name = buf, .pw_passwd = (char *)"x", .pw_uid = uid, .pw_gid = uid,
                           .pw_gecos = (char *)"", .pw_dir = buf + n, .pw_shell = (char *)"/s" };
    /* Only the answer of the outermost call has the full depth. */
    if (depth == 1)
        deepest = 0;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_asking_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop)
{
    int times = 0;
    if (!strcmp(name, "slow"))
        sleep(10);
    else if (strcmp(name, "quick") && sscanf(name, "asks%d", &times) != 1) {
        *errnop = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    enter();
    ask(times, name);
    enum nss_status status = fill(name, 600 + (uid_t)times, pw, buf, len, errnop);
    depth--;
    return status;
}

enum nss_status _nss_asking_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, int *errnop)
{
    char name[16];
    if (uid < 600 || uid > 609) {
        *errnop = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    snprintf(name, sizeof name, "asks%u", uid - 600);
    enter();
    ask((int)uid - 600, name);
    enum nss_status status = fill(name, uid, pw, buf, len, errnop);
    depth--;
    return status;
}

enum nss_status _nss_asking_gethostbyname2_r(const char *name, int family, struct hostent *h, char *buf,
                                             size_t len, int *errnop, int *reason)
{
    static char *none[] = { NULL };
    static in_addr_t address;
    static char *addresses[] = { (char *)&address, NULL };
    int times;
    if (family != AF_INET || sscanf(name, "h%d", &times) != 1) {
        *errnop = ENOENT;
        *reason = HOST_NOT_FOUND;
        return NSS_STATUS_NOTFOUND;
    }
    enter();
    for (int i = 0; i < times; i++) {
        struct hostent inner, *found;
        struct addrinfo *list;
        char room[1024];
        int why;
        gethostbyname_r(name, &inner, room, sizeof room, &found, &why);
        if (!getaddrinfo(name, NULL, NULL, &list))
            freeaddrinfo(list);
    }
    depth--;
    size_t size = strlen(name) + 1;
    if (size > len) {
        *errnop = ERANGE;
        *reason = NETDB_INTERNAL;
        return NSS_STATUS_TRYAGAIN;
    }
    address = htonl(0x0a000000u | (unsigned)deepest);
    deepest = 0;
    *h = (struct hostent){ .h_name = memcpy(buf, name, size), .h_aliases = none, .h_addrtype = AF_INET,
                           .h_length = 4, .h_addr_list = addresses };
    return NSS_STATUS_SUCCESS;
}
