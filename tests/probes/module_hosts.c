/* Asks for what its arguments say, in their order, and prints a line for each:
 *
 *   host=NAME host6=NAME         gethostbyname2, with AF_INET and AF_INET6
 *   host_r=NAME                  gethostbyname_r
 *   addr=IP                      gethostbyaddr
 *   ai=NAME                      getaddrinfo of a stream socket with AI_CANONNAME
 *   name=IP                      getnameinfo with NI_NAMEREQD
 *   fail=N failed=               the allocation of that number from now on fails; how many have failed
 *
 * More than four addresses are counted. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of failing_malloc.c, if it is preloaded. */
extern long fail_allocation(long nth, int all) __attribute__((weak));

static void host(const char *what, const struct hostent *h, int code, int reason)
{
    char text[INET6_ADDRSTRLEN];
    int count = 0;
    printf("%s:", what);
    if (!h) {
        printf(" none %d %d\n", code, reason);
        return;
    }
    printf(" %s (", h->h_name);
    for (char **alias = h->h_aliases; *alias; alias++)
        printf("%s%s", alias == h->h_aliases ? "" : " ", *alias);
    printf(")");
    for (char **at = h->h_addr_list; *at; at++)
        if (++count <= 4)
            printf(" %s", inet_ntop(h->h_addrtype, *at, text, sizeof text));
    printf(count > 4 ? " of %d\n" : "\n", count);
}

static void addresses(const char *what, const char *name)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME }, *list = NULL;
    char text[INET6_ADDRSTRLEN];
    int rc = getaddrinfo(name, "80", &hints, &list), count = 0;
    printf("%s: %d", what, rc);
    for (struct addrinfo *ai = rc ? NULL : list; ai; ai = ai->ai_next) {
        getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        if (++count <= 4)
            printf(" %s", text);
    }
    printf(count > 4 ? " of %d" : "", count);
    printf(" %s\n", rc || !list->ai_canonname ? "-" : list->ai_canonname);
    if (!rc)
        freeaddrinfo(list);
}

static size_t address(const char *text, void *bytes, int *family)
{
    *family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(*family, text, bytes) != 1)
        abort();
    return *family == AF_INET ? 4 : 16;
}

static void name(const char *what, const char *text)
{
    struct sockaddr_storage at = { 0 };
    struct sockaddr_in *v4 = (void *)&at;
    struct sockaddr_in6 *v6 = (void *)&at;
    unsigned char bytes[16];
    char node[256] = "-";
    int family;
    size_t size = address(text, bytes, &family);
    at.ss_family = (sa_family_t)family;
    memcpy(size == 4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr, bytes, size);
    int rc = getnameinfo((void *)&at, size == 4 ? sizeof *v4 : sizeof *v6, node, sizeof node, NULL, 0, NI_NAMEREQD);
    printf("%s: %d %s\n", what, rc, node);
}

int main(int argc, char **argv)
{
    static char buf[1 << 17];
    unsigned char bytes[16];
    for (int i = 1; i < argc; i++) {
        char *v = strchr(argv[i], '=') + 1;
        struct hostent row, *h = NULL;
        int reason = 0, code = 0, family;
        h_errno = 0;
        if (!strncmp(argv[i], "host=", 5)) {
            h = gethostbyname2(v, AF_INET);
            host(argv[i], h, 0, h_errno);
        } else if (!strncmp(argv[i], "host6=", 6)) {
            h = gethostbyname2(v, AF_INET6);
            host(argv[i], h, 0, h_errno);
        } else if (!strncmp(argv[i], "host_r=", 7)) {
            code = gethostbyname_r(v, &row, buf, sizeof buf, &h, &reason);
            host(argv[i], h, code, reason);
            if (h && (h->h_addr_list[0] < buf || h->h_addr_list[0] >= buf + sizeof buf))
                return 1;
        } else if (!strncmp(argv[i], "addr=", 5)) {
            size_t size = address(v, bytes, &family);
            h = gethostbyaddr(bytes, (socklen_t)size, family);
            host(argv[i], h, 0, h_errno);
        } else if (!strncmp(argv[i], "ai=", 3)) {
            addresses(argv[i], v);
        } else if (!strncmp(argv[i], "name=", 5)) {
            name(argv[i], v);
        } else if (!strncmp(argv[i], "failed=", 7)) {
            printf("failed %ld\n", fail_allocation(0, 0));
        } else if (!strncmp(argv[i], "fail=", 5)) {
            fail_allocation(atol(v), 0);
        } else {
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
