/* Answers questions that are the names of functions, about the user bob, the group lab and the host db.test.
 * deepbind.c and the shared object deep_caller.c include it, so that both ask the same. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say_user(char *to, const struct passwd *p)
{
    p ? sprintf(to, "%s:%u:%s", p->pw_name, p->pw_uid, p->pw_dir) : sprintf(to, "none");
}

static void say_group(char *to, const struct group *g)
{
    g ? sprintf(to, "%s:%u:%s", g->gr_name, g->gr_gid, g->gr_mem[0] ? g->gr_mem[0] : "") : sprintf(to, "none");
}

static void say_address(char *to, int family, const void *address)
{
    if (!inet_ntop(family, address, to, INET6_ADDRSTRLEN))
        sprintf(to, "none");
}

/* Writes the answer to `to`, which has room for it. */
static void answer(const char *question, char *to)
{
    char buf[2048];
    struct passwd pw, *p = NULL;
    struct group gr, *g = NULL;
    struct spwd *s;
    struct hostent *h;
    struct addrinfo *list, hints = { .ai_socktype = SOCK_STREAM };
    if (!strcmp(question, "getpwuid_r")) {
        int rc = getpwuid_r(4242, &pw, buf, sizeof buf, &p);
        rc ? (void)sprintf(to, "error %d", rc) : say_user(to, p);
    } else if (!strcmp(question, "getpwuid-own"))
        say_user(to, getpwuid(getuid()));
    else if (!strcmp(question, "getpwnam"))
        say_user(to, getpwnam("bob"));
    else if (!strcmp(question, "getpwnam-daemon"))
        say_user(to, getpwnam("daemon"));
    else if (!strcmp(question, "getgrgid"))
        say_group(to, getgrgid(77));
    else if (!strcmp(question, "getgrnam_r")) {
        int rc = getgrnam_r("lab", &gr, buf, sizeof buf, &g);
        rc ? (void)sprintf(to, "error %d", rc) : say_group(to, g);
    } else if (!strcmp(question, "getgrouplist")) {
        gid_t gids[16];
        int count = 16, total = getgrouplist("bob", 7, gids, &count);
        sprintf(to, "%d: %u %u", total, gids[0], total > 1 ? gids[1] : 0);
    } else if (!strcmp(question, "getspnam")) {
        s = getspnam("bob");
        sprintf(to, "%s", s ? s->sp_pwdp : "none");
    } else if (!strcmp(question, "gethostbyname")) {
        h = gethostbyname("db.test");
        h ? say_address(to, AF_INET, h->h_addr_list[0]) : (void)sprintf(to, "none");
    } else if (!strcmp(question, "gethostbyaddr")) {
        h = gethostbyaddr(&(in_addr_t){ htonl(0x7f000009) }, 4, AF_INET);
        sprintf(to, "%s", h ? h->h_name : "none");
    } else if (!strcmp(question, "getaddrinfo")) {
        int rc = getaddrinfo("db.test", NULL, &hints, &list);
        rc ? (void)sprintf(to, "%s", gai_strerror(rc))
           : say_address(to, AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr);
        if (!rc)
            freeaddrinfo(list);
    } else if (!strcmp(question, "getpwent")) {
        *to = 0;
        setpwent();
        for (int i = 0; i < 5 && (p = getpwent()); i++)
            strcat(strcat(to, p->pw_name), " ");
        endpwent();
    } else if (!strcmp(question, "getgrent")) {
        *to = 0;
        setgrent();
        for (int i = 0; i < 5 && (g = getgrent()); i++)
            strcat(strcat(to, g->gr_name), " ");
        endgrent();
    } else
        sprintf(to, "what?");
}
