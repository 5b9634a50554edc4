/*
 * Times lookups inside one process. benches/drive.c starts one of these for each library, and asks
 * them in turn, so that other work of the machine affects all of them alike.
 *
 *   lookup serve SIZE             answer requests on stdin: "FUNCTION THREADS NANOSECONDS"; with 0 threads
 *                                 the process's main thread makes the lookups
 *   lookup first FUNCTION SIZE    print the nanoseconds of the process's first lookup, and its page faults
 *   lookup rss SIZE               print the KiB of resident memory after some lookups in both files
 *   lookup count FUNCTION SIZE N  make N lookups and end (for callgrind)
 *
 * SIZE is the number of entries in each file. ci/bench makes the entries by a fixed rule, so every answer is
 * checked. The variable BENCH_FIRST_ID has the id of the first user, and BENCH_UID the user id that the process
 * is to run as.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <shadow.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYS 16384u
#define MAX_THREADS 24

struct key {
    unsigned number;
    char user[20];
    char group[20];
    char host[36];
};

/* What one thread needs: its keys, and room for answers. */
struct place {
    struct key *keys;
    unsigned at;
    int descriptor;
    char buffer[4096];
};

static const char *path;
static int shared = -1;
static unsigned first_id = 100000;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_user(const struct passwd *p, const struct key *k) {
    return p != NULL && p->pw_uid == first_id + k->number && strcmp(p->pw_name, k->user) == 0;
}

static bool is_group(const struct group *g, const struct key *k) {
    return g != NULL && g->gr_gid == first_id + k->number && strcmp(g->gr_name, k->group) == 0;
}

static uint32_t address(const struct key *k) {
    return htonl(0x0a000000u + k->number);
}

static bool by_uid_r(struct place *p, const struct key *k) {
    struct passwd row, *found = NULL;
    return getpwuid_r(first_id + k->number, &row, p->buffer, sizeof p->buffer, &found) == 0 &&
           is_user(found, k);
}

static bool by_name_r(struct place *p, const struct key *k) {
    struct passwd row, *found = NULL;
    return getpwnam_r(k->user, &row, p->buffer, sizeof p->buffer, &found) == 0 &&
           is_user(found, k);
}

static bool group_by_gid_r(struct place *p, const struct key *k) {
    struct group row, *found = NULL;
    return getgrgid_r(first_id + k->number, &row, p->buffer, sizeof p->buffer, &found) == 0 &&
           is_group(found, k);
}

static bool group_by_name_r(struct place *p, const struct key *k) {
    struct group row, *found = NULL;
    return getgrnam_r(k->group, &row, p->buffer, sizeof p->buffer, &found) == 0 &&
           is_group(found, k);
}

static bool missing_name_r(struct place *p, const struct key *k) {
    struct passwd row, *found = NULL;
    /* No user has the name of a group. The result is not checked, because the peer returns ENOENT here, and glibc 0. */
    getpwnam_r(k->group, &row, p->buffer, sizeof p->buffer, &found);
    return found == NULL;
}

static bool missing_uid_r(struct place *p, const struct key *k) {
    struct passwd row, *found = NULL;
    getpwuid_r(first_id + 100000000u + k->number, &row, p->buffer, sizeof p->buffer, &found);
    return found == NULL;
}

static bool by_uid(struct place *p, const struct key *k) {
    (void)p;
    return is_user(getpwuid(first_id + k->number), k);
}

static bool by_name(struct place *p, const struct key *k) {
    (void)p;
    return is_user(getpwnam(k->user), k);
}

static bool group_list(struct place *p, const struct key *k) {
    gid_t groups[64];
    int count = 64;
    (void)p;
    return getgrouplist(k->user, first_id + k->number, groups, &count) > 0 &&
           groups[0] == first_id + k->number;
}

/* Needs root. For others setgroups(2) fails, and so does glibc's initgroups. */
static bool init_groups(struct place *p, const struct key *k) {
    (void)p;
    return initgroups(k->user, first_id + k->number) == 0;
}

/* What initgroups has to do in any case: as many groups as the users of ci/bench have. */
static bool set_groups(struct place *p, const struct key *k) {
    gid_t own = first_id + k->number;
    (void)p;
    return setgroups(4, (gid_t[]){own, own + 1, own + 2, own + 3}) == 0;
}

/* Looks up the user who runs the process. */
static bool self_r(struct place *p, const struct key *k) {
    struct passwd row, *found = NULL;
    (void)k;
    return getpwuid_r(getuid(), &row, p->buffer, sizeof p->buffer, &found) == 0 && found != NULL &&
           found->pw_uid == getuid();
}

static bool shadow_by_name(struct place *p, const struct key *k) {
    (void)p;
    const struct spwd *found = getspnam(k->user);
    return found != NULL && strcmp(found->sp_namp, k->user) == 0;
}

static bool host_by_name_r(struct place *p, const struct key *k) {
    struct hostent row, *found = NULL;
    int error;
    uint32_t wanted = address(k);
    return gethostbyname_r(k->host, &row, p->buffer, sizeof p->buffer, &found, &error) == 0 &&
           found != NULL && memcmp(found->h_addr_list[0], &wanted, sizeof wanted) == 0;
}

static bool addresses(struct place *p, const struct key *k) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    (void)p;
    if (getaddrinfo(k->host, NULL, &hints, &found) != 0 || found == NULL)
        return false;
    bool right = ((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr.s_addr == address(k);
    freeaddrinfo(found);
    return right;
}

static bool status_of_descriptor(struct place *p, const struct key *k) {
    struct stat status;
    (void)k;
    return fstat(p->descriptor, &status) == 0;
}

/* Threads that use the same descriptor wait for each other, because the kernel counts its users. */
static bool status_of_shared(struct place *p, const struct key *k) {
    struct stat status;
    (void)p, (void)k;
    return fstat(shared, &status) == 0;
}

static bool status_of_path(struct place *p, const struct key *k) {
    struct stat status;
    (void)p, (void)k;
    return stat(path, &status) == 0;
}

struct function {
    const char *name;
    const char *symbol; /* the symbol that a library must export for this to be measured, or NULL */
    bool (*call)(struct place *, const struct key *);
};

static const struct function functions[] = {
    {"getpwuid_r", "getpwuid_r", by_uid_r},
    {"getpwnam_r", "getpwnam_r", by_name_r},
    {"getgrgid_r", "getgrgid_r", group_by_gid_r},
    {"getgrnam_r", "getgrnam_r", group_by_name_r},
    {"miss:getpwnam_r", "getpwnam_r", missing_name_r},
    {"miss:getpwuid_r", "getpwuid_r", missing_uid_r},
    {"getpwuid", "getpwuid", by_uid},
    {"getpwnam", "getpwnam", by_name},
    {"getgrouplist", "getgrouplist", group_list},
    {"initgroups", "initgroups", init_groups},
    {"self", "getpwuid_r", self_r},
    {"getspnam", "getspnam", shadow_by_name},
    {"gethostbyname_r", "gethostbyname_r", host_by_name_r},
    {"getaddrinfo", "getaddrinfo", addresses},
    {"fstat", NULL, status_of_descriptor},
    {"fstat:shared", NULL, status_of_shared},
    {"stat", NULL, status_of_path},
    {"setgroups", NULL, set_groups},
};

static const struct function *named(const char *name) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, name) == 0)
            return &functions[i];
    fprintf(stderr, "lookup: no function %s\n", name);
    exit(2);
}

/* Whether a preloaded library leaves `symbol` to libc. */
static bool is_left_out(const char *symbol) {
    const char *preload = getenv("LD_PRELOAD");
    if (symbol == NULL || preload == NULL || getenv("NSS_WRAPPER_PASSWD") == NULL)
        return false;
    Dl_info at;
    void *function = dlsym(RTLD_DEFAULT, symbol);
    return function == NULL || dladdr(function, &at) == 0 ||
           strstr(preload, at.dli_fname) == NULL; /* valgrind adds libraries of its own */
}

static struct place *places[MAX_THREADS];

/* Chooses the entries to look up, from all over the file, before the clock runs. Steps of the golden ratio spread
   even a few of them evenly, so that a linear scan takes the same time on average. Each is moved by a random part of
   the file, an eighth at most. */
static struct place *place(int thread, unsigned size) {
    if (places[thread] != NULL)
        return places[thread];
    struct place *p = calloc(1, sizeof *p);
    p->descriptor = open(path, O_PATH | O_CLOEXEC);
    p->keys = calloc(KEYS, sizeof *p->keys);
    uint64_t state = 0x9e3779b97f4a7c15u * (unsigned)(thread + 1);
    for (unsigned i = 0; i < KEYS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        double at = i * 0.6180339887498949 + (double)(state >> 40) / (8 << 24);
        struct key *k = &p->keys[i];
        /* The first line is root, or localhost. */
        k->number = 1 + (unsigned)((at - (double)(unsigned)at) * (size - 1));
        snprintf(k->user, sizeof k->user, "user%07u", k->number);
        snprintf(k->group, sizeof k->group, "group%07u", k->number);
        snprintf(k->host, sizeof k->host, "host%07u.example.org", k->number);
    }
    return places[thread] = p;
}

static bool lookups(const struct function *f, struct place *p, uint64_t count) {
    bool right = true;
    for (uint64_t i = 0; i < count; i++) {
        right &= f->call(p, &p->keys[p->at]);
        p->at = (p->at + 1) % KEYS;
    }
    return right;
}

/* Nanoseconds per lookup of one thread in `budget` nanoseconds, or of one lookup if that takes
   longer; negative if an answer was wrong. */
static double alone(const struct function *f, struct place *p, uint64_t budget, uint64_t *fit) {
    uint64_t step = 1, total = 0, count = 0;
    do {
        uint64_t before = now();
        if (!lookups(f, p, step))
            return -1;
        uint64_t took = now() - before;
        if (took < budget / 32 && total == 0) {
            step *= 2; /* until reading the clock takes a negligible part of a step */
            continue;
        }
        total += took;
        count += step;
    } while (total < budget);
    *fit = step;
    return (double)total / (double)count;
}

struct run {
    const struct function *function;
    struct place *place;
    pthread_barrier_t *start;
    uint64_t budget, step;
    uint64_t count, begin, end;
    bool right;
};

static void *beside_others(void *argument) {
    struct run *r = argument;
    pthread_barrier_wait(r->start);
    r->right = true;
    r->begin = now();
    do {
        r->right &= lookups(r->function, r->place, r->step);
        r->count += r->step;
        r->end = now();
    } while (r->end - r->begin < r->budget);
    return NULL;
}

/* The time on the clock divided by the lookups of all threads. Each thread is bound to one processor, because new
   threads may share one until the kernel has spread them. */
static double together(const struct function *f, int threads, uint64_t budget, unsigned size) {
    struct run runs[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    pthread_barrier_t start;
    cpu_set_t all;
    uint64_t step = 1, count = 0, begin = UINT64_MAX, end = 0;
    int processor = -1;
    if (alone(f, place(0, size), budget / 8, &step) < 0)
        return -1;
    sched_getaffinity(0, sizeof all, &all);
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        runs[i] = (struct run){.function = f, .place = place(i, size), .start = &start};
        runs[i].budget = budget;
        runs[i].step = step;
        do
            processor = (processor + 1) % CPU_SETSIZE;
        while (!CPU_ISSET(processor, &all));
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(processor, &one);
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
        if (pthread_create(&ids[i], &attributes, beside_others, &runs[i]) != 0)
            exit(3);
        pthread_attr_destroy(&attributes);
    }
    bool right = true;
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        right &= runs[i].right;
        count += runs[i].count;
        begin = runs[i].begin < begin ? runs[i].begin : begin;
        end = runs[i].end > end ? runs[i].end : end;
    }
    pthread_barrier_destroy(&start);
    return right ? (double)(end - begin) / (double)count : -1;
}

static void serve(unsigned size) {
    char name[64];
    int threads;
    unsigned long budget;
    uint64_t step;
    while (scanf("%63s %d %lu", name, &threads, &budget) == 3) {
        const struct function *f = named(name);
        if (is_left_out(f->symbol))
            puts("absent");
        else
            printf("%.3f\n", threads == 0 ? alone(f, place(0, size), budget, &step)
                                          : together(f, threads, budget, size));
        fflush(stdout);
    }
}

static long resident(void) {
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Rss: %ld kB", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

int main(int argc, char **argv) {
    if (getenv("BENCH_FIRST_ID") != NULL)
        first_id = (unsigned)strtoul(getenv("BENCH_FIRST_ID"), NULL, 10);
    if (getenv("BENCH_UID") != NULL && setuid((uid_t)atoi(getenv("BENCH_UID"))) != 0)
        return 4;
    path = getenv("BENCH_PASSWD");
    if (path == NULL)
        path = "/etc/passwd";
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        shared = open(path, O_PATH | O_CLOEXEC);
        serve((unsigned)atoi(argv[2]));
    } else if (argc == 4 && strcmp(argv[1], "first") == 0) {
        const struct function *f = named(argv[2]);
        struct place *p = place(0, (unsigned)atoi(argv[3]));
        p->at = (unsigned)getpid() % KEYS;
        struct rusage start, end;
        if (is_left_out(f->symbol))
            return 4;
        getrusage(RUSAGE_SELF, &start);
        uint64_t before = now();
        bool right = lookups(f, p, 1);
        uint64_t took = now() - before;
        getrusage(RUSAGE_SELF, &end);
        if (!right)
            return 1;
        printf("%lu %ld\n", (unsigned long)took, end.ru_minflt - start.ru_minflt);
    } else if (argc == 3 && strcmp(argv[1], "rss") == 0) {
        struct place *p = place(0, (unsigned)atoi(argv[2]));
        for (size_t i = 0; i < 4; i++)
            if (!lookups(&functions[i], p, 10))
                return 1;
        if (!lookups(named("getgrouplist"), p, 1))
            return 1;
        printf("%ld\n", resident());
    } else if (argc == 5 && strcmp(argv[1], "count") == 0) {
        const struct function *f = named(argv[2]);
        struct place *p = place(0, (unsigned)atoi(argv[3]));
        if (is_left_out(f->symbol))
            return 4;
        if (!lookups(f, p, strtoull(argv[4], NULL, 10)))
            return 1;
    } else {
        fputs("usage: lookup serve|first|rss|count …; see the source\n", stderr);
        return 2;
    }
    return 0;
}
