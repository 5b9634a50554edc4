/* leaving resolver   getaddrinfo(3) waits for a name server that does not answer. A handler of SIGALRM
 *                    leaves it by siglongjmp(3), as programs with a time limit for resolving do
 * leaving module     the same with a slow function of an NSS module: tests/modules/asking.c
 *
 * Does that three times. Prints before and after each who runs the process, or what the module answers. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <resolv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static sigjmp_buf out;

static void leave(int number)
{
    (void)number;
    siglongjmp(out, 1);
}

static void say(const char *who, const char *name)
{
    char buf[1024];
    struct passwd pw, *p = NULL;
    int rc = name ? getpwnam_r(name, &pw, buf, sizeof buf, &p) : getpwuid_r(getuid(), &pw, buf, sizeof buf, &p);
    printf("%s: %s\n", who, p ? p->pw_name : rc ? strerror(rc) : "none");
}

static void *say_in_thread(void *name)
{
    say("thread", name);
    return NULL;
}

/* Sets up a name server that does not read its questions. */
static int silent_server(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) || getsockname(fd, (struct sockaddr *)&at, &size) ||
        res_init())
        return -1;
    _res.nscount = 1;
    _res.nsaddr_list[0] = at;
    return fd;
}

static void ask_slow(int is_module)
{
    char buf[1024];
    struct passwd pw, *p;
    struct addrinfo *list;
    if (is_module)
        getpwnam_r("slow", &pw, buf, sizeof buf, &p);
    else
        getaddrinfo("nobody-says.test", "80", NULL, &list);
    puts("it was not slow");
}

/* Asks from a frame that lies below the frames of the call that was left. */
static __attribute__((noinline)) void say_deeper(const char *name)
{
    volatile char pad[1 << 16];
    for (size_t i = 0; i < sizeof pad; i += 4096)
        pad[i] = 1;
    say("deeper", name);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int is_module = argc > 1 && !strcmp(argv[1], "module");
    const char *const volatile name = is_module ? "quick" : NULL;
    if (argc < 2 || (!is_module && silent_server() < 0))
        return 2;
    signal(SIGALRM, leave);
    say("before", name);
    for (int i = 0; i < 3; i++) {
        if (!sigsetjmp(out, 1)) {
            struct itimerval soon = { .it_value = { .tv_usec = 200000 } };
            setitimer(ITIMER_REAL, &soon, NULL);
            ask_slow(is_module);
        }
        say_deeper(name);
        say("after", name);
    }
    if (pthread_create(&thread, NULL, say_in_thread, (void *)name) || pthread_join(thread, NULL))
        return 2;
    return 0;
}
