/*
 * Compares a library with the peer and with glibc's own files module, at one size of file.
 *
 *   drive SIZE FILES LOOKUP OURS PEER EMPTY ROUNDS CHUNK_NS PROCESS_MS STAGES
 *
 * FILES has passwd, group, shadow, hosts and the directory `listing`; ci/bench mounts the same files in
 * /etc. Below FILES.4, FILES.9 and so on are files for the other comparisons. STAGES is a word made of the letters
 *   l  lookups in passwd and group    t  with 1, 2 and 4 threads    h  shadow and hosts
 *   s  fstat(2) and stat(2) with threads
 *   f  first lookup of a process      p  whole processes                  m  resident memory
 *   y  the synthetic user             d  ids of 4, 9 and 10 digits        w  a changing file, a missing one
 * Prints CSV: kind,name,size,threads,library,median,low,high. The last three are the median and the quartiles in
 * nanoseconds (in KiB for memory, a count for page faults); instead of a median there may be "late", "wrong" or
 * "crashed". The compared libraries are measured in turn, and each round begins with another one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What is compared: libraries (an empty one shows what preloading itself costs), or this one with other files and
   variables. */
enum { OURS, PEER, EMPTY, GLIBC, FILED, SYNTHETIC, DIGITS_4, DIGITS_9, DIGITS_10, CHANGING, MISSING, LIBRARIES };
static const char *const label[LIBRARIES] = {"ours",      "peer",     "empty",    "glibc",     "file",     "synthetic",
                                             "4 digits", "9 digits", "10 digits", "changing", "missing"};
static const int *compared; /* those that are compared in this stage */
static int compared_count;
#define COMPARE(...) \
    (compared = (const int[]){__VA_ARGS__}, compared_count = sizeof(int[]){__VA_ARGS__} / sizeof(int))
#define EACH(library) (int at_ = 0, library; at_ < compared_count && ((library) = compared[at_], true); at_++)

#define MAX_ROUNDS 4000
#define PATIENCE_MS 10000 /* for one answer: the peer may never finish to load a large hosts file */
#define SLOW_NS 30e6      /* a library slower than this gets fewer rounds */

static const char *size, *files, *lookup, *object[3];
static int rounds;
static unsigned long chunk, process_ns;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* The environment for each library; with `more` it names the files for shadow entries and hosts, too. */
static char **environment(int library, bool more) {
    static char text[LIBRARIES][2][8][600], *list[LIBRARIES][2][9];
    char(*t)[600] = text[library][more], **e = list[library][more];
    int n = 0;
    if (e[0] != NULL)
        return e;
    static const char *const kind_of_files[LIBRARIES] = {
        [DIGITS_4] = ".4",           [DIGITS_9] = ".9",         [DIGITS_10] = ".10",
        [CHANGING] = ".changing", [MISSING] = ".missing",
    };
    const char *kind = kind_of_files[library] != NULL ? kind_of_files[library] : "";
    snprintf(t[n++], 600, "PATH=/usr/bin:/bin");
    snprintf(t[n++], 600, "BENCH_PASSWD=%s/passwd", files);
    if (library == DIGITS_4 || library == DIGITS_9 || library == DIGITS_10)
        snprintf(t[n++], 600, "BENCH_FIRST_ID=%s",
                 library == DIGITS_4 ? "1000" : library == DIGITS_9 ? "100000000" : "4000000000");
    if (library == FILED || library == SYNTHETIC)
        snprintf(t[n++], 600, "BENCH_UID=%d", library == FILED ? 100001 : 4242);
    if (library == SYNTHETIC)
        snprintf(t[n++], 600, "NSS_WRAPPER_USER=magic:x:%%u:%%g:Magic:/home/magic:/bin/sh");
    if (library != GLIBC)
        snprintf(t[n++], 600, "LD_PRELOAD=%s", object[library <= EMPTY ? library : OURS]);
    if (library != GLIBC && library != SYNTHETIC) {
        snprintf(t[n++], 600, "NSS_WRAPPER_PASSWD=%s%s/passwd", files, kind);
        snprintf(t[n++], 600, "NSS_WRAPPER_GROUP=%s%s/group", files, kind);
        if (more) {
            snprintf(t[n++], 600, "NSS_WRAPPER_SHADOW=%s/shadow", files);
            snprintf(t[n++], 600, "NSS_WRAPPER_HOSTS=%s/hosts", files);
            snprintf(t[n++], 600, "NSS_WRAPPER_MAX_HOSTENTS=4000000");
        }
    }
    for (int i = 0; i < n; i++)
        e[i] = t[i];
    return e;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct series {
    double value[MAX_ROUNDS];
    int count;
};

static void add(struct series *s, double value) {
    if (s->count < MAX_ROUNDS)
        s->value[s->count++] = value;
}

static void print(const char *kind, const char *name, int threads, int library, struct series *s) {
    if (s->count == 0)
        return;
    qsort(s->value, (size_t)s->count, sizeof *s->value, by_value);
    printf("%s,%s,%s,%d,%s,%.1f,%.1f,%.1f\n", kind, name, size, threads > 0 ? threads : 1, label[library],
           s->value[s->count / 2], s->value[s->count / 4], s->value[s->count * 3 / 4]);
    fflush(stdout);
}

static void print_mean(const char *kind, const char *name, const char *of, int library, struct series *s) {
    double sum = 0;
    for (int i = 0; i < s->count; i++)
        sum += s->value[i];
    printf("%s,%s %s,%s,1,%s,%.2f,,\n", kind, of, name, size, label[library], sum / s->count);
    fflush(stdout);
}

/* Starts a process. `in` and `out` are pipes for its standard input and output; without `out` that is /dev/null. */
static pid_t start(char *const *argv, char *const *env, const int *in, const int *out) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    if (in != NULL)
        posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    if (out != NULL)
        posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    int error = posix_spawn(&pid, argv[0], &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    errno = error;
    if (error != 0)
        die(argv[0]);
    return pid;
}

/* ---- a process that answers requests ---- */

struct worker {
    pid_t pid;
    int in, out;
    bool more;
};
static struct worker workers[LIBRARIES];

static void start_worker(int library, bool more) {
    int in[2], out[2];
    char *argv[] = {(char *)lookup, "serve", (char *)size, NULL};
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        die("pipe2");
    pid_t pid = start(argv, environment(library, more), in, out);
    close(in[0]);
    close(out[1]);
    workers[library] = (struct worker){.pid = pid, .in = in[1], .out = out[0], .more = more};
}

static void stop_worker(int library) {
    struct worker *w = &workers[library];
    if (w->pid <= 0)
        return;
    close(w->in);
    close(w->out);
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
    w->pid = 0;
}

/* Values in the place of a time, and the words for them in the output. */
enum { ABSENT = 0, LATE = -1, WRONG = -2, CRASHED = -3 };
static const char *const trouble[] = {"", "late", "wrong", "crashed"};

/* Nanoseconds per lookup, or what went wrong. With 0 threads the worker's only thread makes the lookups. */
static double ask(int library, const char *function, int threads) {
    char text[128];
    struct worker *w = &workers[library];
    /* Longer with threads: if several share a processor, each needs some of the kernel's time slices. */
    unsigned long budget = threads > 0 ? 2 * chunk : chunk;
    int len = snprintf(text, sizeof text, "%s %d %lu\n", function, threads, budget);
    if (write(w->in, text, (size_t)len) != len)
        die("write");
    struct pollfd wait = {.fd = w->out, .events = POLLIN};
    if (poll(&wait, 1, PATIENCE_MS) != 1) {
        fprintf(stderr, "bench: %s, %s entries: %s does not answer in %d s\n", function, size,
                label[library], PATIENCE_MS / 1000);
        stop_worker(library);
        start_worker(library, w->more);
        return LATE;
    }
    ssize_t got = read(w->out, text, sizeof text - 1);
    if (got <= 0) {
        fprintf(stderr, "bench: %s, %s entries, %d threads: %s crashed\n", function, size,
                threads, label[library]);
        stop_worker(library);
        start_worker(library, w->more);
        return CRASHED;
    }
    text[got] = '\0';
    if (strncmp(text, "absent", 6) == 0)
        return ABSENT;
    double value = strtod(text, NULL);
    if (value > 0)
        return value;
    fprintf(stderr, "bench: %s, %s entries, %d threads: %s answers wrongly\n", function, size,
            threads, label[library]);
    return WRONG;
}

static void lookups(const char *kind, const char *function, int threads) {
    static struct series s[LIBRARIES];
    double last[LIBRARIES] = {0};
    int count[LIBRARIES];
    memset(s, 0, sizeof s);
    /* The first lookup loads the file, and is not counted. A single thread makes it, because the peer may
       crash if two threads make their first lookup at once. */
    for EACH (library) {
        last[library] = ask(library, function, 0);
        /* The next lookups are not counted, either, as long as a library searches before it makes an
           index. The first lookup of a process is measured as "first". */
        for (int turn = 0; turn < 5 && last[library] > (double)chunk / 4; turn++)
            last[library] = ask(library, function, 0);
        count[library] = last[library] > SLOW_NS ? (rounds + 2) / 3 : rounds;
    }
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < compared_count; i++) {
            int library = compared[(round + i) % compared_count];
            if (last[library] <= 0 || s[library].count == count[library])
                continue;
            last[library] = ask(library, function, threads);
            if (last[library] > 0)
                add(&s[library], last[library]);
        }
    for EACH (library)
        if (last[library] > 0)
            print(kind, function, threads, library, &s[library]);
        else if (last[library] != ABSENT)
            printf("%s,%s,%s,%d,%s,%s,,\n", kind, function, size, threads > 0 ? threads : 1,
                   label[library], trouble[-(int)last[library]]);
}

static void serve_all(const char *kind, const char *const *functions, int threads, bool more) {
    for EACH (library)
        start_worker(library, more);
    for (; *functions != NULL; functions++)
        lookups(kind, *functions, threads);
    for EACH (library)
        stop_worker(library);
}

/* ---- processes from start to end ---- */

/* Runs a process. Returns the nanoseconds from its start to its end, and its page faults; with `prints`, the two
   numbers that it prints. Negative if it fails. */
static double process(char *const *argv, int library, bool prints, double *faults) {
    int out[2] = {-1, -1}, status;
    char text[64];
    ssize_t got = 0;
    if (prints && pipe2(out, O_CLOEXEC) != 0)
        die("pipe2");
    uint64_t before = now();
    pid_t pid = start(argv, environment(library, false), NULL, prints ? out : NULL);
    if (prints) {
        close(out[1]);
        got = read(out[0], text, sizeof text - 1);
        close(out[0]);
    }
    struct rusage usage;
    if (wait4(pid, &status, 0, &usage) != pid)
        die("wait4");
    uint64_t took = now() - before;
    *faults = (double)usage.ru_minflt;
    if (status != 0) {
        fprintf(stderr, "bench: %s %s, %s entries: %s: status %d\n", argv[0],
                argv[1] != NULL ? argv[1] : "", size, label[library], status);
        return -1;
    }
    if (!prints)
        return (double)took;
    text[got > 0 ? got : 0] = '\0';
    char *rest;
    double value = strtod(text, &rest);
    *faults = strtod(rest, NULL);
    return value;
}

static void processes(const char *kind, const char *name, char *const *argv, bool prints,
                      uint64_t time) {
    static struct series s[LIBRARIES], f[LIBRARIES];
    bool out[LIBRARIES] = {false};
    double faults;
    memset(s, 0, sizeof s);
    memset(f, 0, sizeof f);
    for EACH (library)
        out[library] = process(argv, library, prints, &faults) < 0;
    uint64_t end = now() + time;
    for (int round = 0; round < MAX_ROUNDS && (round < 5 || now() < end); round++)
        for (int i = 0; i < compared_count; i++) {
            int library = compared[(round + i) % compared_count];
            double value = out[library] ? -1 : process(argv, library, prints, &faults);
            if (value < 0)
                continue;
            add(&s[library], value);
            add(&f[library], faults);
        }
    /* The number of page faults depends on the address at which the loader puts a library, so the mean is printed. */
    for EACH (library)
        if (!out[library]) {
            print(kind, name, 1, library, &s[library]);
            if (strcmp(kind, "memory") != 0)
                print_mean("faults", name, kind, library, &f[library]);
        }
}

/* Binds this process and its children to one processor, on which process starts take steadier times; or unbinds it. */
static void pin(bool on) {
    static cpu_set_t all;
    static bool known;
    if (!known && sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    known = true;
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = CPU_SETSIZE - 1; i >= 0; i--)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
            break;
        }
    sched_setaffinity(0, sizeof one, on ? &one : &all);
}

/* Starts a process that changes some digits of a file a thousand times a second. */
static pid_t start_writer(void) {
    char path[600], text[4096];
    snprintf(path, sizeof path, "%s.changing/passwd", files);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int fd = open(path, O_RDWR);
    ssize_t len = fd < 0 ? -1 : pread(fd, text, sizeof text, 0);
    if (len <= 0)
        die(path);
    for (char digit = '0';; digit = digit == '9' ? '0' : (char)(digit + 1)) {
        for (ssize_t i = 6; i < len; i++)
            if (memcmp(&text[i - 6], "Number", 6) == 0)
                text[i] = digit;
        if (pwrite(fd, text, (size_t)len, 0) != len)
            die(path);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

int main(int argc, char **argv) {
    if (argc != 11) {
        fputs("usage: see the head of benches/drive.c; ci/bench calls this\n", stderr);
        return 2;
    }
    size = argv[1];
    files = argv[2];
    lookup = argv[3];
    object[OURS] = argv[4];
    object[PEER] = argv[5];
    object[EMPTY] = argv[6];
    rounds = atoi(argv[7]);
    chunk = strtoul(argv[8], NULL, 10);
    process_ns = strtoul(argv[9], NULL, 10) * 1000000;
    const char *stages = argv[10];
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return 2;
    signal(SIGPIPE, SIG_IGN);

    static const char *const users[] = {
        "fstat",    "stat",     "getpwuid_r",      "getpwnam_r",      "getgrgid_r",   "getgrnam_r",
        "getpwuid", "getpwnam", "miss:getpwnam_r", "miss:getpwuid_r", "getgrouplist", "initgroups",
        "setgroups", NULL};
    static const char *const threaded[] = {"getpwuid_r", "getpwnam_r", "getgrgid_r", NULL};
    static const char *const firsts[] = {"getpwuid_r", "getpwnam_r", "getgrgid_r", "getgrnam_r",
                                         "getgrouplist", "initgroups", NULL};
    static const char *const self[] = {"self", NULL};
    static const char *const digits[] = {"getpwuid_r", "getgrgid_r", NULL};
    static const char *const changing[] = {"getpwnam_r", NULL};
    static const char *const missing[] = {"miss:getpwnam_r", NULL};
    static const char *const status[] = {"fstat", "fstat:shared", "stat", NULL};
    static const char *const more[] = {"getspnam", "gethostbyname_r", "getaddrinfo", NULL};
    COMPARE(OURS, PEER, GLIBC);
    if (strchr(stages, 'l'))
        serve_all("lookup", users, 0, false);
    if (strchr(stages, 't'))
        for (int threads = 1; threads <= 4; threads *= 2) {
            serve_all("threads", threaded, threads, false);
            if (strchr(stages, 's'))
                serve_all("threads", status, threads, false);
        }
    if (strchr(stages, 'h'))
        serve_all("lookup", more, 0, true);

    pin(true);
    if (strchr(stages, 'f'))
        for (const char *const *name = firsts; *name != NULL; name++) {
            char *one[] = {(char *)lookup, "first", (char *)*name, (char *)size, NULL};
            processes("first", *name, one, true, process_ns);
        }
    if (strchr(stages, 'p')) {
        char user[32], listing[600];
        snprintf(user, sizeof user, "user%07d", atoi(size) / 2);
        snprintf(listing, sizeof listing, "%s/listing", files);
        char *nothing[] = {"/usr/bin/true", NULL};
        char *id[] = {"/usr/bin/id", user, NULL};
        char *whoami[] = {"/usr/bin/whoami", NULL};
        char *ls[] = {"/usr/bin/ls", "-l", listing, NULL};
        /* Twice as long, because what preloading adds to `true` is a twentieth of its time. */
        COMPARE(OURS, PEER, GLIBC, EMPTY);
        processes("process", "true", nothing, false, 2 * process_ns);
        COMPARE(OURS, PEER, GLIBC);
        processes("process", "id", id, false, process_ns);
        processes("process", "whoami", whoami, false, process_ns);
        processes("process", "ls -l", ls, false, process_ns);
    }
    if (strchr(stages, 'm')) {
        char *rss[] = {(char *)lookup, "rss", (char *)size, NULL};
        processes("memory", "resident", rss, true, 0);
    }
    if (strchr(stages, 'y')) {
        COMPARE(FILED, SYNTHETIC);
        char *one[] = {(char *)lookup, "first", "self", (char *)size, NULL};
        processes("first", "self", one, true, process_ns);
        serve_all("lookup", self, 0, false);
    }
    if (strchr(stages, 'd')) {
        COMPARE(DIGITS_4, DIGITS_9, DIGITS_10);
        for (const char *const *name = digits; *name != NULL; name++) {
            char *one[] = {(char *)lookup, "first", (char *)*name, (char *)size, NULL};
            processes("first", *name, one, true, process_ns);
        }
        serve_all("lookup", digits, 0, false);
    }
    pin(false);
    if (strchr(stages, 'w')) {
        COMPARE(MISSING);
        for (int threads = 1; threads <= 2; threads++)
            serve_all("waiting", missing, threads, false);
        COMPARE(CHANGING);
        pid_t writer = start_writer();
        for (int threads = 2; threads <= 20; threads += 18)
            serve_all("waiting", changing, threads, false);
        kill(writer, SIGKILL);
        waitpid(writer, NULL, 0);
    }
    return 0;
}
