/* The questions about hosts and about the machine's host name, with answers as in ask.h. If no host is
 * found, the answer has h_errno, too: "none, HOST_NOT_FOUND". A family is a number, `inet` or `inet6`. */
#ifndef ASK_HOSTS_H
#define ASK_HOSTS_H
#include "ask.h"
#include <sys/un.h>
#include <sys/utsname.h>

enum { NO_REASON = 99 };

static inline void give_host(struct asker *a, int rc, const void *found, const void *own, size_t len, int reason)
{
    int error = errno;
    struct place place = { a->buf, len };
    if (rc) {
        say(&a->text, "error ");
        say_errno(&a->text, rc);
    }
    if (found == LEFT_ALONE || (rc && found)) {
        say(&a->text, "[a result that is none]");
    } else if (found) {
        say_host(&a->text, found, own ? &place : NULL);
    } else {
        say(&a->text, rc ? ", " : "none, ");
        say_h_errno(&a->text, reason);
    }
    say_changed_errno(a, error);
}

static inline int family_of(const char *word)
{
    return !strcmp(word, "inet") ? AF_INET : !strcmp(word, "inet6") ? AF_INET6 : (int)number(word);
}

/* Writes the address into `bytes`, and returns how many bytes it has. */
static inline size_t address_of(const char *word, void *bytes, int *family)
{
    *family = strchr(word, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(*family, word, bytes) != 1)
        abort();
    return *family == AF_INET ? 4 : 16;
}

#define HOST(function, ...)                                                                               \
    static void ask_##function(struct asker *a, char **w)                                                 \
    {                                                                                                     \
        (void)w;                                                                                          \
        errno = UNTOUCHED;                                                                                \
        h_errno = NO_REASON;                                                                              \
        const struct hostent *found = function(__VA_ARGS__);                                              \
        give_host(a, 0, found, NULL, 0, h_errno);                                                         \
    }

#define HOST_R(function, at, ...)                                                                         \
    static void ask_##function(struct asker *a, char **w)                                                 \
    {                                                                                                     \
        struct hostent own, *found = LEFT_ALONE;                                                          \
        size_t len = length(a, w[at]);                                                                    \
        int reason = NO_REASON;                                                                           \
        memset(&own, 0xee, sizeof own);                                                                   \
        errno = UNTOUCHED;                                                                                \
        int rc = function(__VA_ARGS__ &own, a->buf, len, &found, &reason);                                \
        give_host(a, rc, found, &own, len, reason);                                                       \
    }

HOST(gethostbyname, w[0])
HOST(gethostbyname2, w[0], family_of(w[1]))
#define gethostbyname_canonical(name) gethostbyname(gethostbyname(name)->h_name)
HOST(gethostbyname_canonical, w[0])
HOST(gethostent, )
HOST_R(gethostbyname_r, 1, w[0], )
HOST_R(gethostbyname2_r, 2, w[0], family_of(w[1]), )
NOTHING(sethostent, (int)number(w[0]))
NOTHING(endhostent, )
#ifdef __GLIBC__
HOST_R(gethostent_r, 0, )
#endif

/* gethostbyaddr ADDRESS [FAMILY [SIZE]] */
static void ask_gethostbyaddr(struct asker *a, char **w)
{
    unsigned char bytes[16];
    int family;
    size_t size = address_of(w[0], bytes, &family);
    errno = UNTOUCHED;
    h_errno = NO_REASON;
    const struct hostent *found = gethostbyaddr(bytes, (socklen_t)(w[1] && w[2] ? number(w[2]) : size),
                                                w[1] ? family_of(w[1]) : family);
    give_host(a, 0, found, NULL, 0, h_errno);
}

/* gethostbyaddr_r ADDRESS [FAMILY [SIZE [LENGTH]]] */
static void ask_gethostbyaddr_r(struct asker *a, char **w)
{
    unsigned char bytes[16];
    struct hostent own, *found = LEFT_ALONE;
    int family, reason = NO_REASON;
    size_t size = address_of(w[0], bytes, &family), len = length(a, w[1] && w[2] ? w[3] : NULL);
    memset(&own, 0xee, sizeof own);
    errno = UNTOUCHED;
    int rc = gethostbyaddr_r(bytes, (socklen_t)(w[1] && w[2] ? number(w[2]) : size),
                             w[1] ? family_of(w[1]) : family, &own, a->buf, len, &found, &reason);
    give_host(a, rc, found, &own, len, reason);
}

static inline const char *or_null(const char *word)
{
    return strcmp(word, "NULL") ? word : NULL;
}

/* getaddrinfo NODE SERVICE [FAMILY TYPE PROTOCOL FLAGS]: the word NULL as node or service stands for a null
 * pointer. Without a family the hints are a null pointer. */
static void ask_getaddrinfo(struct asker *a, char **w)
{
    struct addrinfo hints = { 0 }, *list = NULL;
    if (w[2]) {
        hints.ai_family = family_of(w[2]);
        hints.ai_socktype = (int)number(w[3]);
        hints.ai_protocol = (int)number(w[4]);
        hints.ai_flags = (int)number(w[5]);
    }
    int rc = getaddrinfo(or_null(w[0]), or_null(w[1]), w[2] ? &hints : NULL, &list);
    if (rc) {
        say(&a->text, "error ");
        say_eai(&a->text, rc);
    } else {
        say_addresses(&a->text, list);
        freeaddrinfo(list);
    }
}

/* getnameinfo ADDRESS PORT FLAGS NODE-LENGTH SERVICE-LENGTH [MORE]: with a length of 0 the buffer is a null
 * pointer. MORE is added to the size of the address. The address `unix` is one of AF_UNIX. */
static void ask_getnameinfo(struct asker *a, char **w)
{
    char node[256] = "-", service[256] = "-";
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } at = { 0 };
    socklen_t size = sizeof at.local, lengths[2] = { number(w[3]), number(w[4]) };
    int family = AF_UNIX;
    if (strcmp(w[0], "unix")) {
        unsigned char bytes[16];
        size_t length = address_of(w[0], bytes, &family);
        memcpy(family == AF_INET ? (void *)&at.v4.sin_addr : &at.v6.sin6_addr, bytes, length);
        size = (socklen_t)((family == AF_INET ? sizeof at.v4 : sizeof at.v6) + (size_t)(w[5] ? atol(w[5]) : 0));
        at.v4.sin_port = htons((uint16_t)number(w[1]));
        if (family == AF_INET6)
            at.v6.sin6_scope_id = !strncmp(w[0], "fe80", 4);
    } else {
        strcpy(at.local.sun_path, "/x");
    }
    at.any.sa_family = (sa_family_t)family;
    int rc = getnameinfo(&at.any, size, lengths[0] ? node : NULL, lengths[0], lengths[1] ? service : NULL,
                         lengths[1], (int)number(w[2]));
    if (rc) {
        say(&a->text, "error ");
        say_eai(&a->text, rc);
    } else {
        say(&a->text, "%s %s", node, service);
    }
}

/* gethostname LENGTH: the name, or the error and what was written of the name; then " and more" if a byte behind the length was written. */
static void ask_gethostname(struct asker *a, char **w)
{
    char name[256];
    size_t len = number(w[0]);
    memset(name, '#', sizeof name);
    errno = UNTOUCHED;
    int rc = gethostname(name, len), error = errno;
    if (rc) {
        say(&a->text, "%d", rc);
        say_changed_errno(a, error);
        say(&a->text, ", %.*s", (int)(len < sizeof name && *name != '#' ? len : 0), name);
    } else {
        say(&a->text, "%.*s", (int)len, name);
    }
    for (size_t i = len; i < sizeof name; i++)
        if (name[i] != '#') {
            say(&a->text, " and more");
            break;
        }
}

static void ask_uname(struct asker *a, char **w)
{
    struct utsname names;
    (void)w;
    uname(&names);
    say(&a->text, "%s", names.nodename);
}

static const struct verb host_verbs[] = {
    VERB(gethostbyname), VERB(gethostbyname2), VERB(gethostent), VERB(gethostbyname_r), VERB(gethostbyname2_r),
    VERB(sethostent), VERB(endhostent), VERB(gethostbyaddr), VERB(gethostbyaddr_r), VERB(getaddrinfo),
    VERB(getnameinfo), VERB(gethostname), VERB(uname), VERB(gethostbyname_canonical),
#ifdef __GLIBC__
    VERB(gethostent_r),
#endif
    { NULL, NULL },
};
#endif
