/* An NSS module with users m0 … m4 and groups g0 … g4. Other names say what the module does:
 *
 *   static            all strings are in static memory, and none in the caller's buffer
 *   room:N            the gecos field, or the name of a member, has N bytes
 *   status:S:E        returns the status S, with the error number E
 *   greedy            asks for a larger buffer every time
 *   asks              calls the program's getpwuid(10), and shows the answer
 *   loops             calls the program's getpwnam for the same name
 *   ends              ends the thread, as if it were cancelled
 *
 * It has hosts h0 … h4 with the addresses 10.9.0.N and fd00::N and an alias each; the host room:N has N
 * addresses. WITHOUT_INITGROUPS leaves initgroups_dyn out. With ASKS_WHILE_LOADING the constructor asks
 * for one of the module's users. With OLD_HOSTS gethostbyname_r is the only function for hosts. With
 * WHOEVER_ASKS there is a user with the real id of the process. With SLOW the functions of enumerations take
 * a millisecond, and after its end an enumeration begins again. With BUSY all functions for users but that by name return TRYAGAIN and EBUSY. The constructor and each set…ent and end…ent write a line to $MODULE_LOG, and so does a function
 * of an enumeration that finds another thread in it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char *what)
{
    const char *path = getenv("MODULE_LOG");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    char line[128];
    int n = snprintf(line, sizeof line, "%s\n", what);
    if (write(fd, line, (size_t)n) != n)
        abort();
    close(fd);
}

__attribute__((constructor)) static void load(void)
{
#ifdef ASKS_WHILE_LOADING
    /* Not getpwnam(3): glibc holds its lock here, and would wait for it for ever. */
    char buf[512];
    struct passwd pw, *found = NULL;
    getpwnam_r("static", &pw, buf, sizeof buf, &found);
    note(found ? "load: static is known" : "load: static is not known");
#else
    note("load");
#endif
}

/* glibc lets one thread at a time into a module's enumeration of a database. */
static _Atomic int in_users, in_groups;

static _Atomic int *enter(_Atomic int *in)
{
    if ((*in)++)
        note("two at once");
#ifdef SLOW
    usleep(1000);
#endif
    return in;
}

static void leave(_Atomic int **in)
{
    --**in;
}

#define BY_TURNS(in) __attribute__((cleanup(leave), unused)) _Atomic int *turn = enter(&in)

/* Takes room in the caller's buffer; null if there is too little. */
static char *take(char **buf, size_t *len, size_t size)
{
    char *at = *buf;
    if (*len < size)
        return NULL;
    *buf += size;
    *len -= size;
    return at;
}

static char *copy(char **buf, size_t *len, const char *text)
{
    char *at = take(buf, len, strlen(text) + 1);
    return at ? strcpy(at, text) : NULL;
}

static enum nss_status short_of_room(int *errnop)
{
    *errnop = ERANGE;
    return NSS_STATUS_TRYAGAIN;
}

/* True if the name is greedy or status:S:E; does not return if it is ends. */
static int is_status(const char *name, enum nss_status *status, int *errnop)
{
    int s, e;
    if (!strcmp(name, "ends"))
        pthread_exit(PTHREAD_CANCELED);
    if (!strcmp(name, "greedy")) {
        *status = short_of_room(errnop);
        return 1;
    }
    if (sscanf(name, "status:%d:%d", &s, &e) != 2)
        return 0;
    *status = (enum nss_status)s;
    *errnop = e;
    return 1;
}

static enum nss_status user(const char *name, uid_t uid, struct passwd *pw, char *buf, size_t len, int *errnop)
{
    size_t room = 0;
    sscanf(name, "room:%zu", &room);
    char *gecos = take(&buf, &len, room + 1);
    if (!gecos)
        return short_of_room(errnop);
    memset(gecos, 'g', room);
    gecos[room] = 0;
    pw->pw_name = copy(&buf, &len, name);
    pw->pw_passwd = copy(&buf, &len, "x");
    pw->pw_dir = copy(&buf, &len, "/m");
    pw->pw_shell = copy(&buf, &len, "/bin/m");
    pw->pw_gecos = gecos;
    pw->pw_uid = uid;
    pw->pw_gid = uid + 1;
    return pw->pw_shell && pw->pw_dir && pw->pw_passwd && pw->pw_name ? NSS_STATUS_SUCCESS : short_of_room(errnop);
}

enum nss_status _nss_plain_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, int *errnop)
{
    enum nss_status status;
    int n;
    if (is_status(name, &status, errnop))
        return status;
    if (!strcmp(name, "static")) {
        static char line[] = "static\0x\0in static memory\0/s\0/bin/s";
        pw->pw_name = line;
        pw->pw_passwd = line + 7;
        pw->pw_gecos = line + 9;
        pw->pw_dir = line + 26;
        pw->pw_shell = line + 29;
        pw->pw_uid = 900;
        pw->pw_gid = 901;
        return NSS_STATUS_SUCCESS;
    }
    if (!strcmp(name, "asks")) {
        struct passwd *other = getpwuid(10);
        char answer[64];
        snprintf(answer, sizeof answer, "room:1 %s", other ? other->pw_name : "nobody");
        return user(answer, 902, pw, buf, len, errnop);
    }
    if (!strcmp(name, "loops"))
        return user(getpwnam("loops") ? "knows itself" : "loops", 903, pw, buf, len, errnop);
    if (!strncmp(name, "room:", 5))
        return user(name, 904, pw, buf, len, errnop);
    if (sscanf(name, "m%d", &n) == 1 && n >= 0 && n < 5)
        return user(name, 10 + (uid_t)n, pw, buf, len, errnop);
    *errnop = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_plain_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, int *errnop)
{
    char name[16];
#ifdef BUSY
    return *errnop = EBUSY, NSS_STATUS_TRYAGAIN;
#endif
#ifdef WHOEVER_ASKS
    if (uid == getuid())
        return user("whoever", uid, pw, buf, len, errnop);
#endif
    if (uid < 10 || uid > 14) {
        *errnop = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    snprintf(name, sizeof name, "m%u", uid - 10);
    return user(name, uid, pw, buf, len, errnop);
}

static int next_user = -1;

enum nss_status _nss_plain_setpwent(int stayopen)
{
    BY_TURNS(in_users);
    (void)stayopen;
    note("setpwent");
    next_user = 0;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_plain_endpwent(void)
{
    BY_TURNS(in_users);
    note("endpwent");
    next_user = -1;
    return NSS_STATUS_SUCCESS;
}

/* Only after setpwent. */
enum nss_status _nss_plain_getpwent_r(struct passwd *pw, char *buf, size_t len, int *errnop)
{
    BY_TURNS(in_users);
    static const char *const names[] = { "m0", "room:2000", "m2", "room:70000", "m4" };
#ifdef BUSY
    return *errnop = EBUSY, NSS_STATUS_TRYAGAIN;
#endif
    if (next_user < 0 || next_user > 4) {
        *errnop = ENOENT;
#ifdef SLOW
        next_user = 0;
#endif
        return next_user < 0 ? NSS_STATUS_UNAVAIL : NSS_STATUS_NOTFOUND;
    }
    enum nss_status status = user(names[next_user], 10 + (uid_t)next_user, pw, buf, len, errnop);
    next_user += status == NSS_STATUS_SUCCESS;
    return status;
}

/* The members are m0 and "a, b", which is a single name; room:N has one more, of N bytes. */
static enum nss_status group(const char *name, gid_t gid, struct group *gr, char *buf, size_t len, int *errnop)
{
    size_t room = 0;
    sscanf(name, "room:%zu", &room);
    size_t pad = -(size_t)buf % sizeof(char *);
    if (!take(&buf, &len, pad))
        return short_of_room(errnop);
    char **members = (char **)(void *)take(&buf, &len, 4 * sizeof(char *));
    char *large = take(&buf, &len, room + 1);
    if (!members || !large)
        return short_of_room(errnop);
    memset(large, 'm', room);
    large[room] = 0;
    members[0] = copy(&buf, &len, "m0");
    members[1] = copy(&buf, &len, "a, b");
    members[2] = room ? large : NULL;
    members[3] = NULL;
    gr->gr_name = copy(&buf, &len, name);
    gr->gr_passwd = copy(&buf, &len, "x");
    gr->gr_gid = gid;
    gr->gr_mem = members;
    return gr->gr_passwd && gr->gr_name && members[1] && members[0] ? NSS_STATUS_SUCCESS : short_of_room(errnop);
}

enum nss_status _nss_plain_getgrnam_r(const char *name, struct group *gr, char *buf, size_t len, int *errnop)
{
    enum nss_status status;
    int n;
    if (is_status(name, &status, errnop))
        return status;
    if (!strncmp(name, "room:", 5))
        return group(name, 904, gr, buf, len, errnop);
    if (sscanf(name, "g%d", &n) == 1 && n >= 0 && n < 5)
        return group(name, 20 + (gid_t)n, gr, buf, len, errnop);
    *errnop = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_plain_getgrgid_r(gid_t gid, struct group *gr, char *buf, size_t len, int *errnop)
{
    char name[16];
    if (gid < 20 || gid > 24) {
        *errnop = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    snprintf(name, sizeof name, "g%u", gid - 20);
    return group(name, gid, gr, buf, len, errnop);
}

static int next_group = -1;

enum nss_status _nss_plain_setgrent(int stayopen)
{
    BY_TURNS(in_groups);
    (void)stayopen;
    note("setgrent");
    next_group = 0;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_plain_endgrent(void)
{
    BY_TURNS(in_groups);
    note("endgrent");
    next_group = -1;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_plain_getgrent_r(struct group *gr, char *buf, size_t len, int *errnop)
{
    BY_TURNS(in_groups);
    static const char *const names[] = { "g0", "room:2000", "g2", "room:70000", "g4" };
    if (next_group < 0 || next_group > 4) {
        *errnop = ENOENT;
#ifdef SLOW
        next_group = 0;
#endif
        return next_group < 0 ? NSS_STATUS_UNAVAIL : NSS_STATUS_NOTFOUND;
    }
    enum nss_status status = group(names[next_group], 20 + (gid_t)next_group, gr, buf, len, errnop);
    next_group += status == NSS_STATUS_SUCCESS;
    return status;
}

#ifndef WITHOUT_INITGROUPS
/* 1,000 groups for m0, which are more than the array has room for at first. Every second one is `own`. */
enum nss_status _nss_plain_initgroups_dyn(const char *name, gid_t own, long *start, long *size, gid_t **gids,
                                          long limit, int *errnop)
{
    enum nss_status status;
    if (is_status(name, &status, errnop))
        return status;
    if (strcmp(name, "m0"))
        return NSS_STATUS_NOTFOUND;
    for (gid_t i = 0; i < 1000; i++) {
        if (limit > 0 && *start >= limit)
            break;
        if (*start == *size) {
            gid_t *more = realloc(*gids, 2 * (size_t)*size * sizeof **gids);
            if (!more) {
                *errnop = ENOMEM;
                return NSS_STATUS_TRYAGAIN;
            }
            *gids = more;
            *size *= 2;
        }
        (*gids)[(*start)++] = i % 2 ? own : 5000 + i;
    }
    return NSS_STATUS_SUCCESS;
}
#endif

static enum nss_status host(const char *name, unsigned n, int family, struct hostent *h, char *buf, size_t len,
                            int *errnop)
{
    size_t room = 1, size = family == AF_INET ? 4 : 16;
    char alias[16];
    sscanf(name, "room:%zu", &room);
    size_t pad = -(size_t)buf % sizeof(char *);
    if (!take(&buf, &len, pad))
        return short_of_room(errnop);
    char **pointers = (char **)(void *)take(&buf, &len, (room + 3) * sizeof(char *));
    char *addresses = take(&buf, &len, room * size);
    if (!pointers || !addresses)
        return short_of_room(errnop);
    for (size_t i = 0; i < room; i++) {
        unsigned char v4[4] = { 10, 9, (unsigned char)(i >> 8), (unsigned char)(n + i) };
        unsigned char v6[16] = { 0xfd, [14] = v4[2], [15] = v4[3] };
        pointers[i] = memcpy(addresses + i * size, family == AF_INET ? v4 : v6, size);
    }
    snprintf(alias, sizeof alias, "alias%u", n);
    h->h_addr_list = pointers;
    h->h_aliases = pointers + room + 1;
    h->h_aliases[0] = copy(&buf, &len, alias);
    h->h_aliases[1] = pointers[room] = NULL;
    h->h_addrtype = family;
    h->h_length = (int)size;
    h->h_name = copy(&buf, &len, name);
    return h->h_aliases[0] && h->h_name ? NSS_STATUS_SUCCESS : short_of_room(errnop);
}

#ifdef OLD_HOSTS
#define BY_NAME static enum nss_status by_name
#else
#define BY_NAME enum nss_status _nss_plain_gethostbyname2_r
#endif

BY_NAME(const char *name, int family, struct hostent *h, char *buf, size_t len, int *errnop, int *reason)
{
    enum nss_status status = NSS_STATUS_NOTFOUND;
    unsigned n = 0;
    *errnop = ENOENT;
    *reason = HOST_NOT_FOUND;
    if (is_status(name, &status, errnop))
        *reason = NETDB_INTERNAL;
    else if ((sscanf(name, "h%u", &n) == 1 && n < 5) || !strncmp(name, "room:", 5))
        status = host(name, n, family, h, buf, len, errnop);
    if (status == NSS_STATUS_TRYAGAIN)
        *reason = NETDB_INTERNAL;
    return status;
}

#ifdef OLD_HOSTS
enum nss_status _nss_plain_gethostbyname_r(const char *name, struct hostent *h, char *buf, size_t len, int *errnop,
                                           int *reason)
{
    return by_name(name, AF_INET, h, buf, len, errnop, reason);
}
#else
enum nss_status _nss_plain_gethostbyaddr_r(const void *address, socklen_t size, int family, struct hostent *h,
                                           char *buf, size_t len, int *errnop, int *reason)
{
    const unsigned char *octets = address;
    char name[16];
    unsigned n = octets[size - 1];
    if (octets[0] != (family == AF_INET ? 10 : 0xfd) || n > 4) {
        *errnop = ENOENT;
        *reason = HOST_NOT_FOUND;
        return NSS_STATUS_NOTFOUND;
    }
    snprintf(name, sizeof name, "h%u", n);
    enum nss_status status = host(name, n, family, h, buf, len, errnop);
    if (status == NSS_STATUS_TRYAGAIN)
        *reason = NETDB_INTERNAL;
    return status;
}
#endif
