/* The scenarios of step.c: what the interrupted call is, and what comes before it. */
#include "step_ask.h"
#include <sys/stat.h>
#include <time.h>

/* Replaces all files by their version `v`, by rename(2). */
static void edit(int v)
{
    char from[32], part[32];
    for (int f = 0; f < FILES; f++) {
        sprintf(from, "%s.v%d", files[f], v);
        sprintf(part, "%s.part", files[f]);
        unlink(part);
        if (link(from, part) || rename(part, files[f]))
            wrong("an edit", "%s", strerror(errno));
        /* rename(2) does nothing if both names are links to the same file. */
        unlink(part);
    }
    version = v;
}

/* Replaces all files, too: a symbolic link in their path is switched to another directory. */
static void switch_link(int v)
{
    unlink("part");
    if (symlink(v == 1 ? "dir.v1" : "dir.v2", "part") || rename("part", "link"))
        wrong("a switched link", "%s", strerror(errno));
    version = v;
}

static void make_files(void)
{
    for (int v = 1; v <= 2; v++) {
        char dir[16], path[32];
        sprintf(dir, "dir.v%d", v);
        mkdir(dir, 0755);
        for (int f = 0; f < 2 * FILES; f++) {
            if (f < FILES)
                sprintf(path, "%s.v%d", files[f], v);
            else
                snprintf(path, sizeof path, "%s/%s", dir, files[f - FILES]);
            FILE *to = fopen(path, "w");
            if (!to)
                wrong("the files", "%s", strerror(errno));
            print_file(to, f % FILES, v);
            fclose(to);
        }
    }
    edit(1);
    switch_link(1);
    /* Wait until the files are old enough to be trusted. A file that has just been written is read again at
     * each lookup, and the scenarios are about what the library does afterwards. */
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
}

static void configure(const char *below)
{
    char dir[512], path[600];
    if (!getcwd(dir, sizeof dir))
        exit(2);
    for (int f = 0; f < FILES; f++) {
        static const char *const variables[FILES] = { "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP",
                                                      "NSS_WRAPPER_SHADOW", "NSS_WRAPPER_HOSTS" };
        snprintf(path, sizeof path, "%s%s/%s", dir, below, files[f]);
        has_files ? setenv(variables[f], path, 1) : unsetenv(variables[f]);
    }
    setenv("NSS_WRAPPER_USER", "me:x:%u:%g::/home/me:/bin/me", 1);
}

static void nothing(void) {}

static void warm_up(void)
{
    /* Often enough that the library makes an index and keeps a descriptor. */
    for (int i = 0; i < 40; i++) {
        ask_user(i % USERS, i & 1);
        ask_me();
    }
}

static void warm_up_all(void)
{
    warm_up();
    for (int i = 0; i < 40; i++)
        ask_groups(), ask_list(), ask_hosts();
    walk_users(), walk_hosts();
    ask_addrinfo();
}

static void once(void) { ask_user(0, true); }

static void warm(void)
{
    ask_user(0, true);
    ask_user(1, false);
    ask_nobody();
}

static void ask_users(int from, int to)
{
    for (int i = from; i < to; i++)
        ask_user(i % USERS, i & 1);
}

/* Lookups before the library keeps a descriptor or makes an index; and those after which it has done both. */
static void before_index_and_descriptor(void) { ask_users(0, 14); }
static void index_and_descriptor(void) { ask_users(14, 32); }

/* Waits until the coarse clock moves. The library looks at the path again then. */
static void next_tick(void)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    while (now.tv_nsec == begin.tv_nsec);
}

static void edit_other(void) { edit(3 - version); }
static void switch_other(void) { switch_link(3 - version); }


static const struct scenario {
    const char *name;
    void (*prepare)(void);  /* runs once */
    void (*before)(void);   /* runs before each call, and is not interrupted */
    void (*call)(void);     /* is interrupted */
    /* Each round in a process takes the same path, so that what the rounds lose can be counted. */
    bool repeats;
    /* The call runs within a function of libc. Memory that a jump out of it loses is libc's, and is not counted. */
    bool is_within_libc;
    /* libc or the loader runs most of the time, which is not stepped through. */
    bool runs_libc;
} scenarios[] = {
    { "cold", nothing, nothing, once, false, false, false },
    { "index", before_index_and_descriptor, nothing, index_and_descriptor, false, false, false },
    { "warm", warm_up_all, nothing, warm, true, false, false },
    { "tick", warm_up_all, next_tick, once, false, false, false },
    { "reload", warm_up_all, edit_other, once, true, false, false },
    { "relink", warm_up_all, switch_other, once, true, false, false },
    { "users", warm_up_all, nothing, walk_users, true, false, false },
    { "hosts", warm_up_all, nothing, walk_hosts, true, false, false },
    { "memberships", warm_up_all, nothing, ask_list, true, false, false },
    { "static", warm_up_all, nothing, ask_static, true, false, false },
    { "addrinfo", warm_up_all, nothing, ask_both_addrinfo, true, true, false },
    { "synthetic", nothing, nothing, ask_me, false, true, true },
    { "known", ask_me, nothing, ask_me, true, true, false },
    { "module", ask_module, nothing, ask_module, true, false, false },
    { "loading", nothing, nothing, ask_module, false, true, true },
    /* Not at every instruction, but where the loader tells a debugger that its list of objects changes, and that the
     * list is consistent again. The new object is not relocated yet at both points. */
    { "loader", nothing, nothing, ask_module, false, true, true },
};

static const struct scenario *scenario_of(const char *name)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (!strcmp(scenarios[i].name, name))
            return &scenarios[i];
    return NULL;
}
