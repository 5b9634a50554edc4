/* addrinfo [STEP]
 *
 * getaddrinfo for many combinations of node, family, type, protocol, flags and service: a line for
 * each, the question, a tab, the answer, a tab, the canonical name of the first result. Later
 * results must have none. With a step only every so many-th node is asked for. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const nodes[] = {
    NULL, "", "v4.site", "V4.SITE", "v4", "v6.site", "v6", "dual.site", "Dual", "dual6", "multi.site",
    "mapped.site", "loop.site", "v4.site.", "dual.site.", "127.0.0.11", "127.0.0.99", "0x7f.11",
    "127.11", "127.0.0.11.", "fd00::12", "FD00:0:0:0:0:0:0:12", "fd00::99", "fe80::1%lo",
    "fe80::1%99", "::ffff:127.0.0.11", "::1", "0.0.0.0", "::", "nosuch.site", "nosuch.site.",
    "comment.site", "v4.site ", "no such",
};
static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX };
static const int flags[] = {
    0, AI_CANONNAME, AI_PASSIVE, AI_NUMERICHOST, AI_NUMERICHOST | AI_CANONNAME, AI_V4MAPPED,
    AI_V4MAPPED | AI_ALL, AI_ALL, AI_ADDRCONFIG, AI_ADDRCONFIG | AI_V4MAPPED,
    AI_CANONNAME | AI_V4MAPPED | AI_ALL, AI_NUMERICSERV, AI_PASSIVE | AI_NUMERICSERV, 0x8000,
};
static const int types[][2] = {
    { 0, 0 }, { SOCK_STREAM, 0 }, { SOCK_DGRAM, 0 }, { SOCK_RAW, 0 }, { SOCK_RAW, IPPROTO_ICMP },
    { SOCK_SEQPACKET, 0 }, { 0, IPPROTO_TCP }, { 0, IPPROTO_UDP }, { SOCK_STREAM, IPPROTO_TCP },
    { SOCK_STREAM, IPPROTO_UDP }, { SOCK_STREAM, IPPROTO_SCTP }, { 77, 0 },
};
static const char *const services[] = { NULL, "80", "http", "domain", "tftp", "nosuch", "", "99999", "-1", " 80" };

#define COUNT(list) (sizeof list / sizeof *list)

static void ask(const char *node, const char *service, const struct addrinfo *hints)
{
    struct addrinfo *list = NULL;
    char text[INET6_ADDRSTRLEN];

    printf("%s|%s", node ? node : "NULL", service ? service : "NULL");
    if (hints)
        printf("|family %d type %d protocol %d flags %#x", hints->ai_family, hints->ai_socktype,
               hints->ai_protocol, (unsigned)hints->ai_flags);
    int error = getaddrinfo(node, service, hints, &list);
    printf("\t%d", error);
    for (struct addrinfo *ai = error ? NULL : list; ai; ai = ai->ai_next) {
        struct sockaddr_in *v4 = (void *)ai->ai_addr;
        struct sockaddr_in6 *v6 = (void *)ai->ai_addr;
        int is4 = ai->ai_family == AF_INET;
        if (ai->ai_addr->sa_family != ai->ai_family || (ai != list && ai->ai_canonname) ||
            ai->ai_addrlen != (is4 ? sizeof *v4 : sizeof *v6))
            exit(1);
        inet_ntop(ai->ai_family, is4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr, text, sizeof text);
        printf(" [%s]:%d", text, ntohs(is4 ? v4->sin_port : v6->sin6_port));
        if (!is4 && (v6->sin6_scope_id || v6->sin6_flowinfo))
            printf("%%%u/%u", v6->sin6_scope_id, v6->sin6_flowinfo);
        printf("/%d/%d/%d/%#x", ai->ai_family, ai->ai_socktype, ai->ai_protocol, (unsigned)ai->ai_flags);
    }
    printf("\t%s\n", error || !list->ai_canonname ? "-" : list->ai_canonname);
    if (!error)
        freeaddrinfo(list);
}

int main(int argc, char **argv)
{
    size_t step = argc > 1 ? (size_t)atoi(argv[1]) : 1;
    for (size_t n = 0; n < COUNT(nodes); n += step) {
        for (size_t s = 0; s < COUNT(services); s++)
            ask(nodes[n], services[s], NULL);
        for (size_t f = 0; f < COUNT(families); f++) {
            struct addrinfo hints = { .ai_family = families[f] };
            for (size_t g = 0; g < COUNT(flags); g++)
                for (size_t t = 0; t < 2; t++) {
                    hints.ai_flags = flags[g];
                    hints.ai_socktype = types[t][0];
                    ask(nodes[n], t ? "80" : "domain", &hints);
                }
            for (size_t t = 0; n % 5 == 0 && t < COUNT(types); t++)
                for (size_t s = 0; s < COUNT(services); s++) {
                    hints.ai_flags = s % 2 ? AI_CANONNAME : 0;
                    hints.ai_socktype = types[t][0];
                    hints.ai_protocol = types[t][1];
                    ask(nodes[n], services[s], &hints);
                }
        }
    }
    return 0;
}
