/* edits DIR ROUNDS PAUSE_US: makes edits of many kinds, after each of which the next lookup must answer from
 * the new content. Between two edits it pauses, and makes many lookups. Each kind has a directory of its own
 * below DIR. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static enum { PASSWD, GROUP, HOSTS, DATABASES } database;
static const char *const databases[] = { "passwd", "group", "hosts" };
static const char *const variables[] = { "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP", "NSS_WRAPPER_HOSTS" };
/* The first line of each database's file. line() makes the one that depends on the version. */
static const char *const first[] = { "first:x:1:1:::\n", "first:x:1:\n", "fd00::1 first\n" };
static const char *kind;    /* the kind of edit */
static int round_no;
static unsigned turn;       /* decides which function is asked */
static useconds_t pause_us;

static void fail(const char *what, const char *got)
{
    fprintf(stderr, "%s, %s, round %d: %s %s\n", databases[database], kind, round_no, what, got);
    exit(1);
}

static void must(int ok, const char *what)
{
    if (!ok)
        fail(what, strerror(errno));
}

/* Writes the line that gives the name this id, in this version. A host's id is the end of its address. */
static int line(char *text, const char *name, int id, int version)
{
    switch (database) {
    case PASSWD: return sprintf(text, "%s:x:%05d:1:v%05d:/:/s\n", name, id, version);
    case GROUP: return sprintf(text, "%s:x:%05d:v%05d\n", name, id, version);
    default: return sprintf(text, "fd00::%04x %s v%05d\n", (unsigned)id, name, version);
    }
}

/* Writes the content of a version: user, group or host "n" has the id 10000 + version. */
static int content(char *text, int version)
{
    int len = sprintf(text, "%s", first[database]);
    return len + line(text + len, "n", 10000 + version, version);
}

static void put(const char *path, int version, int flags)
{
    char text[128];
    int len = content(text, version), fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    must(fd >= 0 && pwrite(fd, text, (size_t)len, 0) == len && !close(fd), path);
}

static const char *ask_host(const char *name, unsigned id, unsigned *got_id)
{
    static char buf[4096];
    struct addrinfo hints = { .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM }, *list = NULL;
    struct hostent row, *host = NULL;
    struct in6_addr address = { { { 0xfd } } };
    int rc = 0, reason;

    address.s6_addr[14] = (unsigned char)(id >> 8);
    address.s6_addr[15] = (unsigned char)id;
    switch (turn % 5) {
    case 0: rc = gethostbyname2_r(name, AF_INET6, &row, buf, sizeof buf, &host, &reason); break;
    case 1: rc = gethostbyaddr_r(&address, 16, AF_INET6, &row, buf, sizeof buf, &host, &reason); break;
    case 2: host = gethostbyname2(name, AF_INET6); break;
    case 3: host = gethostbyaddr(&address, 16, AF_INET6); break;
    case 4:
        if (getaddrinfo(name, NULL, &hints, &list))
            return NULL;
        address = ((struct sockaddr_in6 *)list->ai_addr)->sin6_addr;
        freeaddrinfo(list);
        host = gethostbyaddr(&address, 16, AF_INET6);
        break;
    }
    if (rc)
        fail("error", strerror(rc));
    if (!host)
        return NULL;
    unsigned char *at = (unsigned char *)host->h_addr_list[0];
    *got_id = at[14] * 256u + at[15];
    return host->h_aliases[0];
}

/* Asks for the name, or for the id, by each function in turn. Returns the text of the entry that has the version, and
 * the id; NULL if there is no entry. */
static const char *ask(const char *name, unsigned id, unsigned *got_id)
{
    static char buf[4096];
    struct passwd pw, *user = NULL;
    struct group gr, *grp = NULL;
    int rc = 0;

    turn++;
    if (database == HOSTS)
        return ask_host(name, id, got_id);
    if (database == GROUP) {
        switch (turn % 4) {
        case 0: rc = getgrnam_r(name, &gr, buf, sizeof buf, &grp); break;
        case 1: rc = getgrgid_r(id, &gr, buf, sizeof buf, &grp); break;
        case 2: grp = getgrnam(name); break;
        case 3: grp = getgrgid(id); break;
        }
        if (rc)
            fail("error", strerror(rc));
        *got_id = grp ? grp->gr_gid : 0;
        return grp ? grp->gr_mem[0] : NULL;
    }
    switch (turn % 4) {
    case 0: rc = getpwnam_r(name, &pw, buf, sizeof buf, &user); break;
    case 1: rc = getpwuid_r(id, &pw, buf, sizeof buf, &user); break;
    case 2: user = getpwnam(name); break;
    case 3: user = getpwuid(id); break;
    }
    if (rc)
        fail("error", strerror(rc));
    *got_id = user ? user->pw_uid : 0;
    return user ? user->pw_gecos : NULL;
}

/* Waits and makes lookups until the library trusts its snapshot, and checks that it keeps a descriptor then. It keeps
 * none if there is a link in the path. */
static void rest(const char *name, unsigned id)
{
    char link[32], target[4096];
    int held = 0;
    unsigned got;
    if (!pause_us)
        return;
    usleep(pause_us);
    for (int i = 0; i < 60; i++) {
        if (!ask(name, id, &got))
            fail(name, "is not found");
        /* The library looks at the path again only after a tick of the clock. */
        if (i % 20 == 0)
            usleep(5000);
    }
    for (int fd = 1000; fd < 1100; fd++) {
        sprintf(link, "/proc/self/fd/%d", fd);
        held += readlink(link, target, sizeof target) > 0;
    }
    int links = !strncmp(kind, "switched link", 13);
    if (held != !links)
        fail("descriptors held", links ? "for a path with a link" : "none, or more than one");
}

static void expect(int version)
{
    char want[16];
    unsigned id;
    const char *got = ask("n", 10000 + (unsigned)version, &id);
    sprintf(want, "v%05d", version);
    if (!got || strcmp(got, want) || id != 10000 + (unsigned)version)
        fail(want, got ? got : "is not found");
    rest("n", 10000 + (unsigned)version);
}

enum { APPEND, SAME_SIZE, RENAME, RENAME_LINKED, TRUNCATE, UNLINK, LINK_FILE, LINK_DIR, EXCHANGE, KINDS };
static const char *const names[KINDS] = {
    "append", "rewrite in place", "rename", "rename over a linked file", "truncate and write",
    "unlink", "switched link to a file", "switched link to a directory", "exchange with another file",
};

static void edit(int which, int version, const char *file)
{
    const char *other = version & 1 ? "e" : "d";
    char text[128];
    unsigned id;

    switch (which) {
    case APPEND: {
        int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
        char name[16];
        sprintf(name, "a%d", version);
        int len = line(text, name, 20000 + version, version);
        must(fd >= 0 && write(fd, text, (size_t)len) == len && !close(fd), file);
        const char *got = ask(name, 20000 + (unsigned)version, &id);
        if (!got || id != 20000 + (unsigned)version)
            fail(name, "is not found");
        rest(name, 20000 + (unsigned)version);
        return;
    }
    case SAME_SIZE:
        put(file, version, 0);
        break;
    case RENAME_LINKED:
        unlink("old");
        must(!link(file, "old"), "link");
        /* fall through */
    case RENAME:
        put("new", version, O_TRUNC);
        must(!rename("new", file), "rename");
        break;
    case EXCHANGE:
        put("other", version, O_TRUNC);
        must(!syscall(SYS_renameat2, AT_FDCWD, "other", AT_FDCWD, file, 2 /* RENAME_EXCHANGE */), "renameat2");
        break;
    case TRUNCATE:
        put(file, version, O_TRUNC);
        break;
    case UNLINK:
        must(!unlink(file), "unlink");
        /* For hosts not by getaddrinfo, which would go on to the machine's resolver. */
        turn += turn % 5 == 3;
        if (ask("n", 10000 + (unsigned)version - 1, &id))
            fail("found", "in a file that is gone");
        put(file, version, O_EXCL);
        break;
    case LINK_FILE:
        sprintf(text, "%s/target", other);
        put(text, version, O_TRUNC);
        must(!symlink(text, "link.new") && !rename("link.new", file), "symlink");
        break;
    case LINK_DIR:
        sprintf(text, "%s/file", other);
        put(text, version, O_TRUNC);
        must(!symlink(other, "data.new") && !rename("data.new", "data"), "symlink");
        break;
    }
    expect(version);
}

int main(int argc, char **argv)
{
    char file[4096];
    if (argc < 4)
        return 2;
    int rounds = atoi(argv[2]);
    pause_us = (useconds_t)atoi(argv[3]);
    int failed = 0;
    /* The library reads the variables once, so each kind has a process and a directory of its own. */
    for (int which = 0; which < KINDS; which++)
        for (database = 0; database < DATABASES; database++) {
            kind = names[which];
            sprintf(file, "%.4000s/%d%d", argv[1], which, database);
            must(!mkdir(file, 0755), file);
            if (fork() == 0) {
                must(!chdir(file) && !mkdir("d", 0755) && !mkdir("e", 0755) && !symlink("d", "data"), file);
                strcat(file, which == LINK_DIR ? "/data/file" : "/file");
                setenv(variables[database], file, 1);
                if (which == LINK_FILE)
                    must(!symlink("d/target", file), "symlink");
                put(file, 0, O_TRUNC);
                expect(0);
                for (round_no = 1; round_no <= rounds; round_no++)
                    edit(which, round_no, file);
                exit(0);
            }
        }
    for (int status; wait(&status) > 0;)
        failed |= status;
    return failed != 0;
}
