/* descriptors DIR CASE: a program that closes and reuses descriptors in the ways that CASE names. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char path[2][4096];
static int version;

/* Where errors are reported: a copy of standard output, since descriptors 1 and 2 may be closed. */
static int out = 1;

static void die(const char *what, long number)
{
    dprintf(out, "%s: %ld: %s\n", what, number, strerror(errno));
    _exit(1);
}

static void must(int ok, const char *what)
{
    if (!ok)
        die(what, version);
}

enum how { IN_PLACE, RENAME };

/* Replaces or rewrites both files, with one descriptor at a time. */
static void edit(enum how how)
{
    char text[128], draft[4200];
    version++;
    for (int g = 0; g < 2; g++) {
        snprintf(draft, sizeof draft, "%.4095s.new", path[g]);
        int len = sprintf(text, g ? "lab:x:77:v%05d\n" : "bob:x:1000:1:v%05d:/:/s\n", version);
        int fd = open(how == RENAME ? draft : path[g], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        must(fd >= 0 && pwrite(fd, text, (size_t)len, 0) == len && !close(fd), "edit");
        must(how != RENAME || !rename(draft, path[g]), "rename");
    }
}

/* Looks up a user and a group, which must be of the version `want`. Returns 0, or the error of the first lookup that
 * failed. */
static int look(int want)
{
    char buf[1024], text[16];
    struct passwd pw, *p;
    struct group gr, *g;
    sprintf(text, "v%05d", want);
    int rc = want & 1 ? getpwnam_r("bob", &pw, buf, sizeof buf, &p) : getpwuid_r(1000, &pw, buf, sizeof buf, &p);
    if (rc)
        return rc;
    must(p && !strcmp(pw.pw_gecos, text), "the user is not of this version");
    rc = want & 1 ? getgrnam_r("lab", &gr, buf, sizeof buf, &g) : getgrgid_r(77, &gr, buf, sizeof buf, &g);
    if (rc)
        return rc;
    must(g && !strcmp(gr.gr_mem[0], text), "the group is not of this version");
    return 0;
}

/* Makes lookups until the library trusts its snapshot and keeps a descriptor. */
static void settle(void)
{
    usleep(250000);
    for (int i = 0; i < 60; i++) {
        must(!look(version), "a lookup");
        if (i % 20 == 0)
            usleep(5000);
    }
}

static int next_number(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && !close(fd), "open");
    return fd;
}

static int count_descriptors(int check)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    must(dir != NULL, "/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(dir));)
        if (*entry->d_name != '.') {
            int fd = atoi(entry->d_name);
            count++;
            must(!check || fd < 500 || fcntl(fd, F_GETFD) & FD_CLOEXEC, "a descriptor survives exec");
        }
    closedir(dir);
    return count;
}

/* A lookup does not change which number the next open gets. */
static void numbers(void)
{
    close(0);
    int want = next_number();
    must(want == 0, "the lowest number");
    for (int round = 0; round < 4; round++) {
        must(!look(version) && next_number() == want, "after a lookup");
        setpwent();
        must(getpwent() && next_number() == want, "in an enumeration");
        endpwent();
        settle();
        must(next_number() == want, "after many lookups");
        edit(round & 1 ? RENAME : IN_PLACE);
        must(!look(version) && next_number() == want, "after an edit");
    }
    settle();
    count_descriptors(1);
}

/* What the program has at each number. */
enum { TOP = 1100 };
static struct mine {
    struct stat st;
    off_t offset;
    int flags, queued;
} mine[TOP];

static void note(int fd, struct mine *to)
{
    memset(to, 0, sizeof *to);
    to->flags = fcntl(fd, F_GETFL);
    if (to->flags < 0 || fstat(fd, &to->st))
        die("the program's descriptor is gone", fd);
    to->offset = lseek(fd, 0, SEEK_CUR);
    if (S_ISFIFO(to->st.st_mode) && ioctl(fd, FIONREAD, &to->queued))
        die("FIONREAD", fd);
}

/* Opens all numbers below TOP: a pipe with a byte in it, a file of the program's own, and the wrapped files, the
 * files at an offset. From 1000 on, where the library keeps its descriptors, it is always the users' file. */
static void take_all(const char *dir)
{
    char own[4200];
    snprintf(own, sizeof own, "%s/own", dir);
    int file = open(own, O_RDWR | O_CREAT, 0644), ends[2];
    must(file >= 0 && write(file, "0123456789", 10) == 10 && !pipe(ends) && write(ends[1], "x", 1) == 1, "own");
    for (int next = 0;; next++) {
        int fd = 0;
        switch (next < 1000 ? next % 4 : 2) {
        case 0: fd = dup(ends[0]); break;
        case 1: fd = open(own, O_RDWR); break;
        case 2: fd = open(path[0], O_RDONLY); break;
        case 3: fd = open(path[1], O_RDWR); break;
        }
        must(fd >= 0, "the program opens");
        if (fd >= TOP) {
            close(fd);
            break;
        }
        if (S_ISREG((fstat(fd, &mine[fd].st), mine[fd].st.st_mode)))
            lseek(fd, fd % 7, SEEK_SET);
    }
    for (int fd = 0; fd < TOP; fd++)
        if (fd != out)
            note(fd, &mine[fd]);
}

static void still_have_all(void)
{
    for (int fd = 0; fd < TOP; fd++) {
        struct mine now;
        if (fd == out)
            continue;
        note(fd, &now);
        if (now.st.st_ino != mine[fd].st.st_ino || now.st.st_dev != mine[fd].st.st_dev ||
            now.offset != mine[fd].offset || now.flags != mine[fd].flags || now.queued != mine[fd].queued)
            die("the program's descriptor is another", fd);
    }
}

static pthread_barrier_t barrier;

static void *watcher(void *unused)
{
    settle();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < 5; round++)
        must(!look(version), "a thread's lookup");
    return unused;
}

/* The program closes all descriptors while threads have some of the library's, and then takes their numbers. */
static void reuse(const char *dir)
{
    pthread_t thread[4];
    struct rlimit limit = { 2048, 2048 };
    must(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    settle();
    pthread_barrier_init(&barrier, NULL, 5);
    for (int i = 0; i < 4; i++)
        must(!pthread_create(&thread[i], NULL, watcher, NULL), "pthread_create");
    pthread_barrier_wait(&barrier);
    /* All but `out`. */
    must(!syscall(SYS_close_range, 0, out - 1, 0) && !syscall(SYS_close_range, out + 1, ~0u, 0), "close_range");
    must(!look(version), "with nothing in the program's numbers");
    take_all(dir);
    must(!look(version), "with the program's in the numbers");
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    still_have_all();
    for (int round = 0; round < 10; round++) {
        edit(round & 1 ? RENAME : IN_PLACE);
        must(!look(version), "an edit");
        if (round == 5)
            settle();
        still_have_all();
    }
}

/* With a full table of descriptors unchanged files answer. For a changed one a lookup fails with EMFILE or is
 * right, and never says that there is no entry. */
static void full(long most)
{
    char buf[512];
    struct passwd pw, *p;
    struct rlimit limit = { (rlim_t)most, (rlim_t)most };
    must(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    int file[2] = { open(path[0], O_WRONLY), open(path[1], O_WRONLY) }, last = -1;
    settle();
    for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0;)
        last = fd;
    must(errno == EMFILE && last > 0, "a full table");
    for (int i = 0; i < 200; i++) {
        must(!look(version), "an unchanged file");
        usleep(100);
    }
    /* Many edits, so that some come within one tick of the clock and leave the file's times as they were. */
    for (int round = 0; round < 300; round++) {
        char text[16];
        version++;
        for (int g = 0; g < 2; g++) {
            sprintf(text, "v%05d", version);
            must(pwrite(file[g], text, 6, g ? 9 : 13) == 6, "edit");
        }
        for (int i = 0; i < 20; i++) {
            int rc = look(version);
            must(rc == 0 || rc == EMFILE, "a changed file");
            rc = getpwnam_r("bob", &pw, buf, sizeof buf, &p);
            must(rc == EMFILE ? !p : !rc && p, "the result pointer");
            errno = 0;
            must(getpwnam("bob") || errno == EMFILE, "errno");
        }
        close(last);
        must(!look(version), "with a number to spare");
        last = open("/dev/null", O_RDONLY);
    }
    /* With a free descriptor an unknown name is not found, and is no error. */
    close(last);
    must(!getpwnam_r("nosuch", &pw, buf, sizeof buf, &p) && !p, "an absent name");
}

static pthread_key_t key;

static void ask_at_end(void *unused)
{
    (void)unused;
    settle();
}

/* The destructor of the key asks, too. */
static void *ask_and_end(void *unused)
{
    settle();
    must(!pthread_setspecific(key, &key), "pthread_setspecific");
    return unused;
}

static void ended(void)
{
    must(!pthread_key_create(&key, ask_at_end), "pthread_key_create");
    settle();
    int before = count_descriptors(0);
    for (int round = 0; round < 3; round++) {
        pthread_t thread[4];
        for (int i = 0; i < 4; i++)
            must(!pthread_create(&thread[i], NULL, ask_and_end, NULL), "pthread_create");
        for (int i = 0; i < 4; i++)
            pthread_join(thread[i], NULL);
    }
    must(count_descriptors(1) == before, "threads that ended left descriptors");
    /* A file that was replaced does not stay open, either. */
    for (int round = 0; round < 3; round++) {
        edit(RENAME);
        settle();
    }
    must(count_descriptors(1) == before, "replaced files left descriptors");
}

static pthread_barrier_t asked;

static void *ask_and_stay(void *unused)
{
    settle();
    pthread_barrier_wait(&asked);
    pthread_barrier_wait(&asked);
    return unused;
}

/* Many threads that ask often, in a process that may have 1500 descriptors. */
static void many(void)
{
    enum { THREADS = 300, MOST = 1500, KEPT = 150 };
    struct rlimit limit = { MOST, MOST };
    must(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    settle();
    int before = count_descriptors(0);
    must(!pthread_barrier_init(&asked, NULL, THREADS + 1), "a barrier");
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        must(!pthread_create(&thread, NULL, ask_and_stay, NULL), "pthread_create");
    }
    pthread_barrier_wait(&asked);
    version = count_descriptors(1) - before;
    must(version <= KEPT, "descriptors of the library");
    pthread_barrier_wait(&asked);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    out = fcntl(1, F_DUPFD_CLOEXEC, 5);
    for (int g = 0; g < 2; g++) {
        snprintf(path[g], sizeof path[g], "%s/%s", argv[1], g ? "group" : "passwd");
        setenv(g ? "NSS_WRAPPER_GROUP" : "NSS_WRAPPER_PASSWD", path[g], 1);
    }
    edit(IN_PLACE);
    if (!strcmp(argv[2], "numbers"))
        numbers();
    else if (!strcmp(argv[2], "reuse"))
        reuse(argv[1]);
    else if (!strcmp(argv[2], "ended"))
        ended();
    else if (!strcmp(argv[2], "many"))
        many();
    else
        full(atol(argv[2]));
    return 0;
}
