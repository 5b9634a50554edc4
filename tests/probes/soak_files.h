/* The files of soak.c: their content in every generation, and their writers.
 *
 * A writer makes generation after generation of its file, by edits of every kind. Before each edit it writes down
 * the state that the edit leads to. An answer is right if it was true of a generation from the one that was complete
 * before the question to the one that was begun when the answer came. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWD, GROUP, SHADOWS, HOSTS, FILES };
static const char *const file_names[FILES] = { "passwd", "group", "shadow", "hosts" };
static const char *const variables[FILES] = {
    "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP", "NSS_WRAPPER_SHADOW", "NSS_WRAPPER_HOSTS",
};

enum { USERS = 24, ALL = (1 << USERS) - 1, RING = 1 << 14, LINE = 64, APPENDED = 1000000 };

enum { RENAME, RENAME_LINKED, DAMAGED, IN_PLACE, SCRATCH, APPEND, REWRITE, CUT, DELETE, CREATE, KINDS };
static const char *const kinds[KINDS] = {
    "renamed", "renamed over a link", "damaged", "rewritten in place", "scratched", "appended",
    "truncated and rewritten", "cut", "deleted", "created",
};

/* The content of a generation. */
struct state {
    unsigned base;     /* the number of the generation in the users' lines */
    unsigned present;  /* a bit for each user that it has */
    unsigned first;    /* it has the entries that were appended from this generation on */
    unsigned appended; /* how many those are */
    int kind;          /* the kind of edit that made it */
    bool exists, cut;
};

struct file {
    _Atomic unsigned begun, complete;
    struct state ring[RING];
    _Atomic unsigned long edits[KINDS];
};

static char path[FILES][4096];

/* True for an edit during which a reader may find a mixture of old and new bytes. */
static bool is_torn(int kind)
{
    return kind == IN_PLACE || kind == REWRITE || kind == CREATE;
}

/* Writes the line of an entry. All lines of users have the same length, so that a mixture of two generations still
 * has whole lines. */
static int line(char *to, int f, const char *name, unsigned id, unsigned gen)
{
    switch (f) {
    case PASSWD: return sprintf(to, "%s:x:%u:%08u:%08u:/%08u:/s%08u\n", name, id, gen, gen, gen, gen);
    case GROUP: return sprintf(to, "%s:x:%u:a%08u,m,b%08u\n", name, id, gen, gen);
    case SHADOWS: return sprintf(to, "%s:p%08u:%08u:0:99999:7:::\n", name, gen, gen);
    default:
        return sprintf(to, "10.%u.%u.%u %s a%08u b%08u\n", id >> 16 & 255, id >> 8 & 255, id & 255, name,
                       gen, gen);
    }
}

static unsigned id_of(int f, unsigned i)
{
    return (f == GROUP ? 5000 : f == HOSTS ? 100 : 1000) + i;
}

/* Writes the lines of all users. The lines of those who are not in `present` are malformed. */
static int users(char *to, int f, unsigned gen, unsigned present)
{
    char name[8];
    int at = 0;
    for (unsigned i = 0; i < USERS; i++) {
        int start = at;
        sprintf(name, "u%02u", i);
        at += line(to + at, f, name, id_of(f, i), gen);
        if (!(present >> i & 1))
            memset(to + start, 'x', (size_t)(at - start - 1));
    }
    return at;
}

/* Reports to standard output, because the library reports malformed lines to standard error. */
static void must(bool ok, const char *what)
{
    if (!ok) {
        dprintf(1, "%s: %s\n", what, strerror(errno));
        _exit(1);
    }
}

static void put(const char *name, int flags, const char *text, int len)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC | flags, 0644);
    must(fd >= 0 && write(fd, text, (size_t)len) == len && !close(fd), name);
}

static void edit(int f, int kind, unsigned gen, const struct state *to)
{
    char text[LINE * USERS], draft[4200], name[16];
    int len;

    switch (kind) {
    case RENAME_LINKED:
        sprintf(draft, "%s.old", path[f]);
        unlink(draft);
        if (link(path[f], draft))
            must(errno == ENOENT, draft);
        /* fall through */
    case RENAME:
    case DAMAGED:
        len = users(text, f, gen, to->present);
        sprintf(draft, "%s.new", path[f]);
        put(draft, O_CREAT | O_TRUNC, text, len);
        must(!rename(draft, path[f]), draft);
        break;
    case IN_PLACE:
        put(path[f], 0, text, users(text, f, gen, ALL));
        break;
    case SCRATCH: {
        len = line(text, f, "u00", id_of(f, 0), gen);
        int fd = open(path[f], O_WRONLY | O_CLOEXEC);
        must(fd >= 0 && pwrite(fd, "#", 1, len * (off_t)(gen % USERS)) == 1 && !close(fd), path[f]);
        break;
    }
    case APPEND:
        sprintf(name, "n%08u", gen);
        put(path[f], O_APPEND, text, line(text, f, name, APPENDED + gen, gen));
        break;
    case REWRITE:
        put(path[f], O_TRUNC, text, users(text, f, gen, ALL));
        break;
    case CUT:
        /* Two bytes of the next line stay, which is malformed then. */
        len = line(text, f, "u00", id_of(f, 0), gen) * (int)(gen % USERS) + 2;
        must(!truncate(path[f], len), path[f]);
        break;
    case DELETE:
        must(!unlink(path[f]), path[f]);
        break;
    case CREATE:
        put(path[f], O_CREAT | O_EXCL, text, users(text, f, gen, ALL));
        break;
    }
}

/* The state after an edit; false if the kind does not fit the state before. */
static bool follows(struct state *s, int kind, unsigned gen, unsigned random)
{
    s->kind = kind;
    if (s->exists == (kind == CREATE))
        return kind <= DAMAGED && (s->exists = true) && follows(s, kind, gen, random);
    switch (kind) {
    case IN_PLACE:
        if (s->present != ALL)
            return false; /* A mixture with malformed lines could not be checked. */
        s->base = gen;
        s->present = ALL;
        return true;
    case SCRATCH:
        if (s->cut)
            return false;
        s->present &= ~(1u << gen % USERS);
        return true;
    case APPEND:
        if (s->cut)
            return false;
        s->appended++;
        return true;
    case CUT:
        if (s->cut)
            return false;
        s->present &= (1u << gen % USERS) - 1;
        break;
    case DELETE: s->present = 0; break;
    case DAMAGED:
        s->present = random & ALL;
        s->base = gen;
        break;
    default:
        s->present = ALL;
        s->base = gen;
        break;
    }
    s->exists = kind != DELETE;
    s->cut = kind == CUT;
    s->first = gen + 1;
    s->appended = 0;
    return true;
}

/* Makes the generation `gen` by an edit of this kind, or by a rename if the kind does not fit. */
static void advance(struct file *file, int f, unsigned gen, int kind, unsigned random)
{
    struct state next = gen > 1 ? file->ring[(gen - 1) % RING] : (struct state){ 0 };
    while (!follows(&next, kind, gen, random)) {
        next = file->ring[(gen - 1) % RING];
        kind = RENAME;
    }
    file->ring[gen % RING] = next;
    atomic_store(&file->begun, gen);
    edit(f, kind, gen, &next);
    atomic_store(&file->complete, gen);
    atomic_fetch_add(&file->edits[kind], 1);
}

/* Edits as fast as it can for a while, then pauses so long that the library trusts its snapshots. */
static void write_on(struct file *file, int f)
{
    unsigned random = 2463534242u + (unsigned)f;
    for (unsigned gen = 2;; gen++) {
        random ^= random << 13, random ^= random >> 17, random ^= random << 5;
        advance(file, f, gen, (int)(random % KINDS), random >> 4);
        usleep(random >> 8 & 63 ? random >> 14 & 255 : 30000);
    }
}
