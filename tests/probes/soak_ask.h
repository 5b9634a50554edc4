/* The questions of soak.c, and the check of their answers. */
#include "soak_files.h"
#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <shadow.h>

enum { LOOKING, FORKING, CLOSING, FULL, STARVED, INTERRUPTED, ROLES };
static const char *const roles[ROLES] = {
    "looking", "forking", "closing descriptors", "without descriptors", "without memory", "interrupted",
};
static const int threads_of[ROLES] = { 3, 2, 0, 1, 2, 1 };

enum { SLOTS = 32, STANDSTILL = 60 /* seconds */ };

static struct shared {
    struct file file[FILES];
    _Atomic unsigned long progress[SLOTS];
    _Atomic unsigned long lookups, refused, late, forks, signals;
} *shared;

static int role;
static _Thread_local bool starving;

/* malloc and its relatives fail now and then while `starving` is set. */
#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static bool fails(void)
{
    static _Thread_local unsigned random = 88172645;
    random ^= random << 13, random ^= random >> 17, random ^= random << 5;
    return starving && random % 8 == 0 && (errno = ENOMEM);
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }

int posix_memalign(void **to, size_t align, size_t size)
{
    return fails() || !(*to = __libc_memalign(align, size)) ? ENOMEM : 0;
}
#endif

/* The answer to a question: an error; no text, if there is no entry; or the texts of an entry, each of which has the
 * number of a generation. */
struct answer {
    int error;
    unsigned count;
    char text[5][12];
};

static void take(struct answer *a, const char *format, unsigned long number, const char *text)
{
    if (text)
        snprintf(a->text[a->count++], sizeof *a->text, "%s", text);
    else
        snprintf(a->text[a->count++], sizeof *a->text, format, number);
}

static void take_user(struct answer *a, const struct passwd *p)
{
    take(a, "%08lu", p->pw_gid, NULL);
    take(a, NULL, 0, p->pw_gecos);
    take(a, NULL, 0, p->pw_dir + 1);
    take(a, NULL, 0, p->pw_shell + 2);
}

static void take_group(struct answer *a, const struct group *g)
{
    char **m = g->gr_mem;
    bool whole = m[0] && m[1] && m[2] && !m[3] && !strcmp(m[1], "m");
    take(a, NULL, 0, whole ? m[0] + 1 : "members");
    take(a, NULL, 0, whole ? m[2] + 1 : "members");
}

static void take_shadow(struct answer *a, const struct spwd *s)
{
    take(a, NULL, 0, s->sp_pwdp + 1);
    take(a, "%08lu", (unsigned long)s->sp_lstchg, NULL);
}

static void take_host(struct answer *a, const struct hostent *h)
{
    char **alias = h->h_aliases;
    bool whole = alias[0] && alias[1] && !alias[2] && h->h_addr_list[0] && !h->h_addr_list[1];
    take(a, NULL, 0, whole ? alias[0] + 1 : "aliases");
    take(a, NULL, 0, whole ? alias[1] + 1 : "aliases");
}

static void wrong(int f, const char *question, unsigned low, unsigned high, const struct answer *a)
{
    dprintf(1, "%s, %s, %s: generation %u to %u: error %d, %u texts: %s %s %s %s\n", roles[role],
            file_names[f], question, low, high, a->error, a->count, a->text[0], a->text[1], a->text[2],
            a->text[3]);
    for (unsigned g = low; g <= high && g < low + 8; g++) {
        const struct state *s = &shared->file[f].ring[g % RING];
        dprintf(1, "  %u: %s, base %u, present %x, %u appended from %u\n", g, kinds[s->kind],
                s->base, s->present, s->appended, s->first);
    }
    _exit(1);
}

/* True for an error that the process must expect, because it has no memory or descriptor. */
static bool is_refusal(int error)
{
    return (role == STARVED && error == ENOMEM) || (role == FULL && (error == EMFILE || error == ENOMEM));
}

/* True if the answer's texts are those of `gen`. */
static bool says(const struct answer *a, unsigned gen)
{
    char want[12];
    snprintf(want, sizeof want, "%08u", gen);
    for (unsigned t = 0; t < a->count; t++)
        if (strcmp(a->text[t], want))
            return false;
    return true;
}

/* True if each byte of the texts comes from one of the generations. */
static bool is_mixture(const struct answer *a, const struct file *file, unsigned low, unsigned high)
{
    char want[12];
    for (unsigned t = 0; t < a->count; t++)
        for (size_t at = 0; at < 9; at++) {
            bool seen = false;
            for (unsigned g = low; g <= high && !seen; g++) {
                snprintf(want, sizeof want, "%08u", file->ring[g % RING].base);
                seen = a->text[t][at] == want[at];
            }
            if (!seen)
                return false;
        }
    return true;
}

/* Checks the answer to a question that was asked when generation `low` was complete. `user` is the number of a user,
 * or APPENDED plus the generation that appended the entry. */
static void judge(int f, const char *question, unsigned user, unsigned low, const struct answer *a)
{
    const struct file *file = &shared->file[f];
    unsigned high = atomic_load(&file->begun);
    bool torn = false;

    shared->lookups++;
    if (a->error && is_refusal(a->error)) {
        shared->refused++;
        return;
    }
    if (high - low >= RING / 2) {
        shared->late++;
        return;
    }
    for (unsigned g = low; g <= high && !a->error; g++) {
        const struct state *s = &file->ring[g % RING];
        bool has = user < USERS ? s->present >> user & 1
                                : s->first <= user - APPENDED && user - APPENDED <= g;
        if (a->count ? has && says(a, user < USERS ? s->base : user - APPENDED) : !has)
            return;
        torn |= g > low && is_torn(s->kind);
    }
    if (!torn || a->error || (user < USERS && !is_mixture(a, file, low, high)))
        wrong(f, question, low, high, a);
}

/* Asks one question about one entry, and checks the answer. */
static void ask(int f, unsigned user, unsigned low, bool reentrant, bool by_name)
{
    char name[16], buf[1024];
    unsigned id = user < USERS ? id_of(f, user) : user;
    struct answer a = { 0 };
    struct passwd pw, *p = NULL;
    struct group gr, *g = NULL;
    struct spwd sp, *s = NULL;
    struct hostent host, *h = NULL;
    in_addr_t address = htonl(10u << 24 | id);
    static const char *const questions[FILES][4] = {
        { "getpwuid", "getpwnam", "getpwuid_r", "getpwnam_r" },
        { "getgrgid", "getgrnam", "getgrgid_r", "getgrnam_r" },
        { "getspnam", "getspnam", "getspnam_r", "getspnam_r" },
        { "gethostbyaddr", "gethostbyname", "gethostbyaddr_r", "gethostbyname_r" },
    };

    if (user < USERS)
        sprintf(name, "u%02u", user);
    else
        sprintf(name, "n%08u", user - APPENDED);
    errno = 0;
    starving = role == STARVED;
    switch (f * 4 + reentrant * 2 + by_name) {
    case 0: p = getpwuid(id); break;
    case 1: p = getpwnam(name); break;
    case 2: a.error = getpwuid_r(id, &pw, buf, sizeof buf, &p); break;
    case 3: a.error = getpwnam_r(name, &pw, buf, sizeof buf, &p); break;
    case 4: g = getgrgid(id); break;
    case 5: g = getgrnam(name); break;
    case 6: a.error = getgrgid_r(id, &gr, buf, sizeof buf, &g); break;
    case 7: a.error = getgrnam_r(name, &gr, buf, sizeof buf, &g); break;
    case 8:
    case 9: s = getspnam(name); break;
    case 10:
    case 11: a.error = getspnam_r(name, &sp, buf, sizeof buf, &s); break;
    case 12: h = gethostbyaddr(&address, 4, AF_INET); break;
    case 13: h = gethostbyname(name); break;
    case 14:
        a.error = gethostbyaddr_r(&address, 4, AF_INET, &host, buf, sizeof buf, &h, &(int){ 0 });
        break;
    default: a.error = gethostbyname_r(name, &host, buf, sizeof buf, &h, &(int){ 0 }); break;
    }
    starving = false;
    if (!p && !g && !s && !h && !reentrant)
        a.error = errno;
    if ((p && (p->pw_uid != id || strcmp(p->pw_name, name))) ||
        (g && (g->gr_gid != id || strcmp(g->gr_name, name))) || (s && strcmp(s->sp_namp, name)) ||
        (h && (strcmp(h->h_name, name) || memcmp(h->h_addr_list[0], &address, 4))))
        a.error = -1;
    if (p)
        take_user(&a, p);
    if (g)
        take_group(&a, g);
    if (s)
        take_shadow(&a, s);
    if (h)
        take_host(&a, h);
    judge(f, questions[f][reentrant * 2 + by_name], user, low, &a);
}

/* The entries of an enumeration: a bit for each user, and how many others, which were appended. An entry that was
 * never written makes `appended` negative. `base` is the text of the users, if the enumeration gives texts. */
struct list {
    unsigned present;
    int appended;
    char base[12];
    bool is_mixed; /* not all users have that text, or an appended one has not that of its generation */
};

static void count(struct list *list, int f, unsigned id)
{
    if (id >= APPENDED)
        list->appended++;
    else if (id - id_of(f, 0) < USERS && !(list->present >> (id - id_of(f, 0)) & 1))
        list->present |= 1u << (id - id_of(f, 0));
    else
        list->appended = -1000000;
}

/* Takes the texts of an entry into account. `a` has the texts, `name` is the entry's. */
static void compare(struct list *list, const struct answer *a, const char *name)
{
    const char *want = *name == 'n' ? name + 1 : list->base;
    if (!*want)
        memcpy(list->base, a->text[0], sizeof list->base);
    for (unsigned t = 0; t < a->count; t++)
        list->is_mixed |= strcmp(a->text[t], want) != 0;
}

static bool is_of(const struct list *list, const struct state *s)
{
    bool has_text = *list->base || list->is_mixed;
    return s->present == list->present && (int)s->appended == list->appended &&
           (!has_text || (!list->is_mixed && strtoul(list->base, NULL, 10) == s->base));
}

static void judge_list(int f, const char *question, unsigned low, unsigned high, const struct list *list,
                       int error)
{
    struct answer a = { .error = error, .count = list->present };
    bool torn = false;
    shared->lookups++;
    if (error && is_refusal(error)) {
        shared->refused++;
        return;
    }
    if (high - low >= RING / 2) {
        shared->late++;
        return;
    }
    for (unsigned g = low; g <= high && !error; g++) {
        const struct state *s = &shared->file[f].ring[g % RING];
        if (is_of(list, s))
            return;
        torn |= g > low && is_torn(s->kind);
    }
    if (!torn || error || list->appended < 0) {
        a.count = 0;
        snprintf(a.text[0], sizeof *a.text, "%x", list->present);
        snprintf(a.text[1], sizeof *a.text, "%d", list->appended);
        snprintf(a.text[2], sizeof *a.text, "%s", list->base);
        snprintf(a.text[3], sizeof *a.text, "%s", list->is_mixed ? "mixed" : "");
        wrong(f, question, low, high, &a);
    }
}

static void ask_list(void)
{
    static _Thread_local gid_t gids[1 << 16];
    struct list list = { 0 };
    int n = 1 << 16, error = 0;
    unsigned low = shared->file[GROUP].complete;
    errno = 0;
    starving = role == STARVED;
    if (getgrouplist("m", 7, gids, &n) < 0)
        error = errno, n = 0;
    starving = false;
    /* If the file cannot be read, the list has the given group alone, which is no error of getgrouplist(3). */
    if (n == 1 && role == STARVED)
        error = ENOMEM;
    else if (n == 1 && role == FULL)
        error = EMFILE;
    for (int i = 1; i < n; i++)
        count(&list, GROUP, gids[i]);
    judge_list(GROUP, "getgrouplist", low, shared->file[GROUP].begun, &list, error);
}

/* Only one thread of a process may call this, because the threads of a process share the enumeration. */
static void enumerate(int f)
{
    struct list list = { 0 };
    unsigned low = shared->file[f].complete;
    if (f == HOSTS)
        sethostent(0);
    else
        (f == PASSWD ? setpwent : f == GROUP ? setgrent : setspent)();
    unsigned high = shared->file[f].begun;
    struct passwd *p = NULL;
    struct group *g = NULL;
    struct spwd *s = NULL;
    struct hostent *h = NULL;
    errno = 0;
    while (f == PASSWD   ? (p = getpwent()) != NULL
           : f == GROUP  ? (g = getgrent()) != NULL
           : f == SHADOWS ? (s = getspent()) != NULL
                         : (h = gethostent()) != NULL) {
        const char *name = p ? p->pw_name : g ? g->gr_name : s ? s->sp_namp : h->h_name;
        struct answer a = { 0 };
        p ? take_user(&a, p) : g ? take_group(&a, g) : s ? take_shadow(&a, s) : take_host(&a, h);
        compare(&list, &a, name);
        count(&list, f, *name == 'n' ? APPENDED : id_of(f, (unsigned)atoi(name + 1)));
    }
    int error = errno;
    (f == PASSWD ? endpwent : f == GROUP ? endgrent : f == SHADOWS ? endspent : endhostent)();
    judge_list(f, "enumeration", low, high, &list, error);
}

static void look(unsigned turn)
{
    int f = (int)(turn % FILES);
    const struct file *file = &shared->file[f];
    unsigned low = atomic_load(&file->complete);
    ask(f, turn / 7 % USERS, low, turn & 1, turn & 2);
    low = atomic_load(&file->complete);
    /* The entry that was appended last must still be there, unless a later edit has removed it. */
    unsigned since = file->ring[low % RING].first;
    for (unsigned g = low; g >= since && g > low - 16; g--)
        if (file->ring[g % RING].kind == APPEND) {
            ask(f, APPENDED + g, low, turn & 2, turn & 1);
            break;
        }
    if (turn % 16 == 0)
        ask_list();
}
