/* Each lookup of hosts with every allocation failing in turn, in a child of its own: an error code or
 * the right answer, and after a failure the right answer. failing_malloc is preloaded. The hosts file
 * has "v4.site" for 127.0.0.11 and four addresses for "multi.site". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static long (*fail_allocation)(long, int);

enum { NAME_R, NAME, ADDRESS_R, ENTRY, INFO, INFO_WARM, NODE, NODE_WARM, LOOKUPS };

/* 1 for the right answer, 0 for a lack of memory that is said so, -1 for all else. */
static int look(int which)
{
    static char buf[4096];
    struct hostent row, *host = NULL;
    struct sockaddr_in at = { .sin_family = AF_INET };
    int reason = 0, rc;

    inet_pton(AF_INET, "127.0.0.11", &at.sin_addr);
    errno = 0;
    switch (which) {
    case NAME_R: rc = gethostbyname_r("multi.site", &row, buf, sizeof buf, &host, &reason); break;
    case ADDRESS_R:
        rc = gethostbyaddr_r(&at.sin_addr, 4, AF_INET, &row, buf, sizeof buf, &host, &reason);
        break;
    case NAME:
    case ENTRY:
        host = which == NAME ? gethostbyname("multi.site") : gethostent();
        rc = host ? 0 : errno;
        reason = h_errno;
        break;
    case INFO:
    case INFO_WARM:
        rc = getnameinfo((void *)&at, sizeof at, buf, sizeof buf, NULL, 0, 0);
        return rc == 0 ? strcmp(buf, "v4.site") == 0 ? 1 : -1 : rc == EAI_MEMORY ? 0 : -1;
    default: {
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
        rc = getaddrinfo("multi.site", "80", &hints, &list);
        if (rc)
            return rc == EAI_MEMORY ? 0 : -1;
        int n = 0, good = list->ai_canonname && !strcmp(list->ai_canonname, "multi.site");
        for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
            n++;
        freeaddrinfo(list);
        return good && n == 4 ? 1 : -1;
    }
    }
    return host ? rc == 0 ? 1 : -1 : rc == ENOMEM && reason == NETDB_INTERNAL ? 0 : -1;
}

int main(void)
{
    *(void **)&fail_allocation = dlsym(RTLD_DEFAULT, "fail_allocation");
    if (!fail_allocation)
        return 2;
    for (int which = 0; which < LOOKUPS; which++) {
        int is_warm = which == INFO_WARM || which == NODE_WARM, is_cold = which == INFO || which == NODE;
        int deaths = 0, lacks = 0, status = -1;
        for (long n = 1; status != 7 << 8; n++) {
            pid_t child = fork();
            if (child == 0) {
                if (is_warm && look(which) != 1)
                    _exit(1);
                fail_allocation(n, 0);
                int answer = look(which);
                int reached = fail_allocation(0, 0) > 0;
                /* glibc remembers for good that it could not load a module. */
                if (answer < 0 || (answer == 0 && !is_cold && look(which) != 1))
                    _exit(1);
                _exit(!reached ? 7 : answer == 0 ? 2 : 0);
            }
            if (waitpid(child, &status, 0) != child)
                return 2;
            lacks += status == 2 << 8;
            if (WIFSIGNALED(status) && is_cold && ++deaths <= 2)
                continue; /* glibc's nss_database_reload: so it does in a program of its own */
            if (WIFSIGNALED(status) || status == 1 << 8 || n > 1000) {
                fprintf(stderr, "lookup %d, allocation %ld: status %#x\n", which, n, status);
                return 1;
            }
        }
        if (lacks == 0) {
            fprintf(stderr, "lookup %d never lacks memory\n", which);
            return 1;
        }
    }
    return 0;
}
