/* A program that needs all of the cwrap family: nss_wrapper, socket_wrapper, uid_wrapper, pam_wrapper and
 * resolv_wrapper. Does what its arguments say, in that order, and prints lines about it:
 *
 *   serve                    is a server at server.wrapped, and a child that reaches it by name
 *   SERVICE=PASSWORD         authenticates alice with PAM
 *   dns                      asks the fake DNS
 *   ids                      becomes alice, with her groups */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* From <security/pam_appl.h>, whose package need not be installed. */
struct pam_message {
    int msg_style;
    const char *msg;
};
struct pam_response {
    char *resp;
    int resp_retcode;
};
struct pam_conv {
    int (*conv)(int, const struct pam_message **, struct pam_response **, void *);
    void *appdata_ptr;
};
typedef struct pam_handle pam_handle_t;
extern int pam_start(const char *, const char *, const struct pam_conv *, pam_handle_t **);
extern int pam_authenticate(pam_handle_t *, int);
extern int pam_acct_mgmt(pam_handle_t *, int);
extern int pam_end(pam_handle_t *, int);

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int reach(const char *name, int (*use)(int, const struct sockaddr *, socklen_t))
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    int rc = getaddrinfo(name, "7777", &hints, &list);
    if (rc) {
        fprintf(stderr, "%s: %s\n", name, gai_strerror(rc));
        exit(1);
    }
    int fd = socket(list->ai_family, list->ai_socktype, list->ai_protocol);
    if (fd < 0 || use(fd, list->ai_addr, list->ai_addrlen))
        fail(name);
    freeaddrinfo(list);
    return fd;
}

static void show_peer(const char *who, int fd)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    char node[256];
    if (getpeername(fd, (void *)&at, &size))
        fail("getpeername");
    int rc = getnameinfo((void *)&at, size, node, sizeof node, NULL, 0, NI_NAMEREQD);
    printf("%s: the other is %s\n", who, rc ? gai_strerror(rc) : node);
    fflush(stdout);
}

static void serve(void)
{
    int status, fd = reach("server.wrapped", bind);
    if (listen(fd, 1))
        fail("listen");
    if (!fork()) {
        struct hostent *h = gethostbyname("client.wrapped");
        struct sockaddr_in own = { .sin_family = AF_INET };
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(7777) };
        char text[16] = "";
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (!h)
            exit(1);
        memcpy(&own.sin_addr, h->h_addr, sizeof own.sin_addr);
        if (bind(client, (void *)&own, sizeof own))
            fail("bind");
        h = gethostbyname("alias.wrapped");
        if (!h)
            exit(1);
        memcpy(&to.sin_addr, h->h_addr, sizeof to.sin_addr);
        if (connect(client, (void *)&to, sizeof to))
            fail("connect");
        if (read(client, text, sizeof text - 1) < 0)
            fail("read");
        printf("client: heard %s\n", text);
        show_peer("client", client);
        if (write(client, "bye", 3) != 3)
            fail("write");
        exit(0);
    }
    int client = accept(fd, NULL, NULL);
    char text[16] = "";
    if (client < 0 || write(client, "hello", 5) != 5 || read(client, text, 3) != 3)
        fail("accept");
    show_peer("server", client);
    if (wait(&status) < 0 || status)
        exit(1);
}

static void show_ids(const char *when)
{
    gid_t gids[64];
    int count = getgroups(64, gids);
    struct passwd *pw = getpwuid(geteuid());
    struct group *gr = getgrgid(getegid());
    printf("%s: %u %s %u %s groups", when, geteuid(), pw ? pw->pw_name : "?", getegid(), gr ? gr->gr_name : "?");
    for (int i = 0; i < count; i++) {
        gr = getgrgid(gids[i]);
        printf(" %u(%s)", gids[i], gr ? gr->gr_name : "?");
    }
    printf("\n");
}

static void ids(void)
{
    struct passwd *pw = getpwnam("alice");
    if (!pw)
        exit(1);
    uid_t uid = pw->pw_uid;
    gid_t gid = pw->pw_gid;
    show_ids("before");
    if (initgroups("alice", gid) || setegid(gid) || seteuid(uid))
        fail("alice");
    show_ids("effective");
    if (seteuid(0) || setegid(0))
        fail("root");
    show_ids("back");
    if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        fail("for good");
    show_ids("after");
    printf("setuid(0): %s\n", setuid(0) ? strerror(errno) : "done");
}

static int answer(int count, const struct pam_message **messages, struct pam_response **responses, void *password)
{
    *responses = calloc((size_t)count, sizeof **responses);
    for (int i = 0; i < count; i++)
        if (messages[i]->msg_style == 1 || messages[i]->msg_style == 2)
            (*responses)[i].resp = strdup(password);
    return 0;
}

static void pam(const char *service, char *password)
{
    struct pam_conv conv = { answer, password };
    pam_handle_t *handle = NULL;
    int started = pam_start(service, "alice", &conv, &handle);
    int known = started ? -1 : pam_authenticate(handle, 0);
    int allowed = known ? -1 : pam_acct_mgmt(handle, 0);
    printf("pam %s: start %d authenticate %d account %d\n", service, started, known, allowed);
    if (!started)
        pam_end(handle, 0);
}

static void dns(void)
{
    unsigned char reply[1024];
    char text[INET_ADDRSTRLEN] = "-";
    ns_msg message;
    ns_rr record;
    res_init();
    int len = res_query("dns.wrapped", ns_c_in, ns_t_a, reply, sizeof reply);
    if (len > 0 && !ns_initparse(reply, len, &message) && !ns_parserr(&message, ns_s_an, 0, &record))
        inet_ntop(AF_INET, ns_rr_rdata(record), text, sizeof text);
    printf("dns: %s\n", text);
    struct addrinfo *list = NULL;
    printf("dns.wrapped is %sin the hosts file\n", gethostbyname("dns.wrapped") ? "" : "not ");
    int rc = getaddrinfo("server.wrapped", NULL, NULL, &list);
    printf("server.wrapped: %s\n", rc ? gai_strerror(rc) : list->ai_canonname);
    if (!rc)
        freeaddrinfo(list);
}

int main(int argc, char **argv)
{
    alarm(30);
    for (int i = 1; i < argc; i++) {
        char *password = strchr(argv[i], '=');
        if (password)
            *password++ = 0;
        if (password)
            pam(argv[i], password);
        else if (!strcmp(argv[i], "serve"))
            serve();
        else if (!strcmp(argv[i], "ids"))
            ids();
        else if (!strcmp(argv[i], "dns"))
            dns();
        else
            return 2;
        fflush(stdout);
    }
    return 0;
}
