/* hosts names NAME…       gethostby*_r, gethostby* and gethostent: a line for each answer
 * hosts nameinfo          getnameinfo for many addresses, flags and lengths
 * hosts canon NODE…       getaddrinfo of a stream socket: the first result
 * hosts buffers NAME6     every _r function with every length and alignment of the buffer; NAME6 is
 *                         a host with several IPv6 addresses
 * hosts threads A B       results without _r belong to the thread; A and B are hosts */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

static void host(const char *what, const char *name, const struct hostent *h)
{
    char text[INET6_ADDRSTRLEN];
    printf("%s %s\t%s aliases", what, name, h->h_name);
    for (char **alias = h->h_aliases; *alias; alias++)
        printf(" %s", *alias);
    printf(" family %d length %d", h->h_addrtype, h->h_length);
    for (char **at = h->h_addr_list; *at; at++)
        printf(" %s", inet_ntop(h->h_addrtype, *at, text, sizeof text));
    puts("");
}

/* The answer of a _r function; errno was 77 before. */
static void answer_r(const char *what, const char *name, int rc, const struct hostent *h, int reason)
{
    int error = errno;
    if (h && rc == 0)
        host(what, name, h);
    else
        printf("%s %s\treturned %d, %s, h_errno %d, errno %d\n", what, name, rc, h ? "a host" : "null",
               reason, error);
}

/* The answer of a function without _r; h_errno was 99 and errno 77 before. */
static void answer(const char *what, const char *name, const struct hostent *h)
{
    int error = errno;
    if (h)
        host(what, name, h);
    else
        printf("%s %s\tnull, h_errno %d, errno %d\n", what, name, h_errno, error);
}

static void fresh(void)
{
    errno = 77;
    h_errno = 99;
}

static void names(char **list)
{
    static char buf[1 << 16];
    struct hostent row, *found;
    static const int families[] = { AF_INET, AF_INET6, 77 };
    static const char *const addresses[] = {
        "127.0.0.11", "127.0.0.13", "127.0.0.15", "127.0.0.99", "fd00::12", "fd00::99", "127.0.0.1",
        "127.0.0.16", "::ffff:127.0.0.16", "::ffff:127.0.0.11", "10.0.0.1",
    };
    char what[64];
    int reason;

    for (; *list; list++) {
        fresh();
        int rc = gethostbyname_r(*list, &row, buf, sizeof buf, &found, &reason);
        answer_r("gethostbyname_r", *list, rc, found, reason);
        fresh();
        answer("gethostbyname", *list, gethostbyname(*list));
        for (int i = 0; i < 3; i++) {
            sprintf(what, "gethostbyname2_r %d", families[i]);
            fresh();
            rc = gethostbyname2_r(*list, families[i], &row, buf, sizeof buf, &found, &reason);
            answer_r(what, *list, rc, found, reason);
            sprintf(what, "gethostbyname2 %d", families[i]);
            fresh();
            answer(what, *list, gethostbyname2(*list, families[i]));
        }
    }
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        unsigned char bytes[16];
        int family = strchr(addresses[i], ':') ? AF_INET6 : AF_INET;
        socklen_t size = family == AF_INET ? 4 : 16;
        inet_pton(family, addresses[i], bytes);
        fresh();
        int rc = gethostbyaddr_r(bytes, size, family, &row, buf, sizeof buf, &found, &reason);
        answer_r("gethostbyaddr_r", addresses[i], rc, found, reason);
        fresh();
        answer("gethostbyaddr", addresses[i], gethostbyaddr(bytes, size, family));
        fresh();
        rc = gethostbyaddr_r(bytes, size - 1, family, &row, buf, sizeof buf, &found, &reason);
        answer_r("gethostbyaddr_r short", addresses[i], rc, found, reason);
        fresh();
        answer("gethostbyaddr 77", addresses[i], gethostbyaddr(bytes, size, 77));
    }
    for (int round = 0; round < 2; round++) {
        struct hostent *h;
        sethostent(round);
        while (fresh(), h = gethostent())
            answer("gethostent", "", h);
        answer("gethostent", "end", h);
        endhostent();
#ifdef __GLIBC__
        int rc;
        while (fresh(), reason = 0, !(rc = gethostent_r(&row, buf, sizeof buf, &found, &reason)))
            answer_r("gethostent_r", "", rc, found, reason);
        answer_r("gethostent_r", "end", rc, found, reason);
        endhostent();
#endif
    }
}

static void nameinfo(void)
{
    static const char *const addresses[] = {
        "127.0.0.11", "127.0.0.13", "127.0.0.99", "fd00::12", "fd00::99", "::ffff:127.0.0.16",
        "fe80::1", "::1", "127.0.0.1", "10.0.0.1",
    };
    static const int flags[] = {
        0, NI_NAMEREQD, NI_NUMERICHOST, NI_NUMERICSERV, NI_NOFQDN, NI_DGRAM, NI_NAMEREQD | NI_NUMERICHOST,
        NI_NOFQDN | NI_NAMEREQD, 0x4000,
    };
    static const socklen_t lengths[] = { 0, 3, 64 };
    static const int ports[] = { 80, 69, 53, 9 };
    for (size_t a = 0; a < sizeof addresses / sizeof *addresses; a++)
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
            for (int n = 0; n < 3; n++)
                for (int s = 0; s < 3; s++)
                    for (int size_off = -1; size_off < 2; size_off++) {
                        char node[64] = "-", service[64] = "-";
                        struct sockaddr_storage at = { 0 };
                        struct sockaddr_in *v4 = (void *)&at;
                        struct sockaddr_in6 *v6 = (void *)&at;
                        int is4 = inet_pton(AF_INET, addresses[a], &v4->sin_addr);
                        if (!is4)
                            inet_pton(AF_INET6, addresses[a], &v6->sin6_addr);
                        at.ss_family = is4 ? AF_INET : AF_INET6;
                        v4->sin_port = htons(ports[(a + f + n) % 4]);
                        v6->sin6_scope_id = is4 ? v6->sin6_scope_id : strncmp(addresses[a], "fe80", 4) == 0;
                        socklen_t size = (is4 ? sizeof *v4 : sizeof *v6) + size_off;
                        int rc = getnameinfo((void *)&at, size, n ? node : NULL, lengths[n],
                                             s ? service : NULL, lengths[s], flags[f]);
                        printf("getnameinfo %s %d flags %#x lengths %u %u size %d\t%d %s %s\n", addresses[a],
                               ntohs(v4->sin_port), flags[f], lengths[n], lengths[s], size_off, rc,
                               rc ? "-" : node, rc ? "-" : service);
                    }
    struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "/x" };
    char node[64] = "-", service[64] = "-";
    int rc = getnameinfo((void *)&local, sizeof local, node, sizeof node, service, sizeof service, NI_NUMERICHOST);
    printf("getnameinfo local\t%d %s\n", rc, service);
}

static void canon(char **nodes)
{
    static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6 };
    for (; *nodes; nodes++)
        for (int f = 0; f < 3; f++)
            for (int flags = 0; flags <= AI_CANONNAME; flags += AI_CANONNAME) {
                struct addrinfo hints = { .ai_family = families[f], .ai_socktype = SOCK_STREAM, .ai_flags = flags };
                struct addrinfo *list = NULL;
                char text[64] = "-";
                int rc = getaddrinfo(*nodes, "80", &hints, &list);
                if (!rc)
                    getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
                printf("%s family %d flags %d\t%d %s\t%s\n", *nodes, families[f], flags, rc, text,
                       rc || !list->ai_canonname ? "-" : list->ai_canonname);
                if (!rc)
                    freeaddrinfo(list);
            }
}

#ifdef __GLIBC__
static void fail(const char *what, int which, size_t len, size_t offset)
{
    fprintf(stderr, "%s: function %d, length %zu, offset %zu\n", what, which, len, offset);
    exit(1);
}

enum { BY_NAME, BY_NAME6, LITERAL, LITERAL6, BY_ADDRESS, NEXT, FUNCTIONS };

static int call(int which, const char *name6, struct hostent *row, char *buf, size_t len,
                struct hostent **found, int *reason)
{
    unsigned char bytes[16] = { 127, 0, 0, 11 };
    switch (which) {
    case BY_NAME: return gethostbyname_r("v4", row, buf, len, found, reason);
    case BY_NAME6: return gethostbyname2_r(name6, AF_INET6, row, buf, len, found, reason);
    case LITERAL: return gethostbyname_r("10.1.2.3", row, buf, len, found, reason);
    case LITERAL6: return gethostbyname2_r("fd00::1:2:3", AF_INET6, row, buf, len, found, reason);
    case BY_ADDRESS: return gethostbyaddr_r(bytes, 4, AF_INET, row, buf, len, found, reason);
    default: return gethostent_r(row, buf, len, found, reason);
    }
}

static int inside(const void *at, size_t size, const char *buf, size_t len)
{
    return (const char *)at >= buf && (const char *)at + size <= buf + len;
}

static void check(const struct hostent *h, const char *buf, size_t len, int which, size_t offset)
{
    int good = inside(h->h_name, strlen(h->h_name) + 1, buf, len) && (uintptr_t)h->h_aliases % 8 == 0 &&
               (uintptr_t)h->h_addr_list % 8 == 0;
    size_t n = 0;
    for (; h->h_aliases[n]; n++)
        good &= inside(h->h_aliases[n], strlen(h->h_aliases[n]) + 1, buf, len);
    good &= inside(h->h_aliases, (n + 1) * sizeof(char *), buf, len);
    for (n = 0; h->h_addr_list[n]; n++)
        good &= inside(h->h_addr_list[n], (size_t)h->h_length, buf, len) && (uintptr_t)h->h_addr_list[n] % 4 == 0;
    good &= n > 0 && inside(h->h_addr_list, (n + 1) * sizeof(char *), buf, len);
    if (!good)
        fail("a pointer leads out of the buffer, or is not aligned", which, len, offset);
}

static void buffers(const char *name6)
{
    const size_t page = 4096, most = 512;
    char *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + page, page, PROT_NONE))
        exit(2);
    for (int which = 0; which < FUNCTIONS; which++)
        for (size_t offset = 0; offset < 16; offset++)
            for (size_t len = 0; len < most; len++) {
                /* After the buffer is the guard page, or for an offset bytes that must stay. */
                struct hostent row, *found = &row;
                char *end = area + page - offset, *buf = end - len;
                int reason = 99;
                memset(area, 0x5a, page);
                if (which == NEXT)
                    sethostent(0);
                errno = 77;
                int rc = call(which, name6, &row, buf, len, &found, &reason);
                for (char *at = area; at < area + page; at++)
                    if ((at < buf || at >= end) && *at != 0x5a)
                        fail("a byte outside is written", which, len, offset);
                if (rc == 0 && found == &row && errno == 77)
                    check(&row, buf, len, which, offset);
                else if (rc != ERANGE || found || reason != NETDB_INTERNAL || errno != ERANGE || len > 300)
                    fail("neither a host nor ERANGE", which, len, offset);
            }
    /* What did not fit has not been passed over. */
    struct hostent row, *found;
    char buf[512];
    int reason;
    sethostent(0);
    if (gethostent_r(&row, buf, 1, &found, &reason) != ERANGE ||
        gethostent_r(&row, buf, sizeof buf, &found, &reason) || strcmp(row.h_name, "first"))
        fail("not the first host", NEXT, 0, 0);
}

#else /* musl's headers have no gethostent_r */
static void buffers(const char *name6)
{
    exit(name6 ? 2 : 3);
}
#endif

static pthread_barrier_t both;

static void *ask(void *name)
{
    struct hostent *h = NULL;
    for (int round = 0; round < 2000; round++) {
        h = round % 2 ? gethostbyname(name) : gethostbyname2(name, AF_INET);
        if (!h || strcmp(h->h_name, name)) {
            fprintf(stderr, "asked for %s, got %s\n", (char *)name, h ? h->h_name : "nothing");
            exit(1);
        }
    }
    pthread_barrier_wait(&both);
    if (strcmp(h->h_name, name)) {
        fprintf(stderr, "the result of %s has become %s\n", (char *)name, h->h_name);
        exit(1);
    }
    return NULL;
}

static void threads(char **list)
{
    pthread_t ids[2];
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++)
        pthread_create(&ids[i], NULL, ask, list[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(ids[i], NULL);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (!strcmp(mode, "names"))
        names(argv + 2);
    else if (!strcmp(mode, "nameinfo"))
        nameinfo();
    else if (!strcmp(mode, "canon"))
        canon(argv + 2);
    else if (!strcmp(mode, "buffers") && argc > 2)
        buffers(argv[2]);
    else if (!strcmp(mode, "threads") && argc > 3)
        threads(argv + 2);
    else
        return 2;
    return 0;
}
