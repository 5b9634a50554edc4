/* input PATH passwd|group COUNT SEED FILE...: writes the bytes of each FILE, and of COUNT mutations of them,
 * to the wrapped file PATH. The library must give the rows that glibc's fgetpwent_r or fgetgrent_r finds in the
 * same bytes, by enumeration, by name and by id. Lines with a NUL byte and names that begin with + or - are
 * left out. Prints how many files and rows were compared. */
#define _GNU_SOURCE
#include "say.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROOM = 8 << 20, MOST = 4096 };
static char room[ROOM];
static int group;
static unsigned long seed, compared;

struct bytes {
    char *at;
    size_t len;
};
struct row {
    char *text, *name;
    unsigned id;
    char **members; /* a list that ends in null; a null pointer for a user */
};
struct rows {
    size_t count;
    struct row row[MOST];
};
static struct rows ours, theirs;
static const struct bytes *current;

static void die(const char *what, const char *got, const char *want)
{
    fprintf(stdout, "%s\n got: %.500s\nwant: %.500s\nfile: ", what, got ? got : "none", want ? want : "none");
    for (size_t i = 0; current && i < current->len && i < 4000; i++) {
        unsigned char c = (unsigned char)current->at[i];
        fprintf(stdout, c >= ' ' && c < 127 && c != '\\' ? "%c" : "\\x%02x", c);
    }
    puts("");
    exit(1);
}

static char *copy(const char *text)
{
    char *made = strdup(text);
    if (!made)
        die("memory", NULL, NULL);
    return made;
}

static char **copy_members(char **members)
{
    size_t count = 0;
    while (members[count])
        count++;
    char **made = calloc(count + 1, sizeof *made);
    for (size_t i = 0; i < count; i++)
        made[i] = copy(members[i]);
    return made;
}

static void add(struct rows *to, const struct passwd *p, const struct group *g)
{
    static char said[4 * ROOM];
    struct text text = { said, 0, sizeof said };
    if (to->count == MOST)
        die("too many rows", NULL, NULL);
    if (p)
        say_passwd(&text, p, NULL);
    else
        say_group(&text, g, NULL);
    to->row[to->count++] = p ? (struct row){ copy(said), copy(p->pw_name), p->pw_uid, NULL }
                             : (struct row){ copy(said), copy(g->gr_name), g->gr_gid, copy_members(g->gr_mem) };
}

static void remove_last(struct rows *rows)
{
    struct row *row = &rows->row[--rows->count];
    for (char **member = row->members; member && *member; member++)
        free(*member);
    free(row->members);
    free(row->text);
    free(row->name);
}

static void clear(struct rows *rows)
{
    while (rows->count)
        remove_last(rows);
}

/* The next row of `f`, a lookup by name or by id, or the next row of an enumeration. What is found is added to `to`. */
static int lookup(struct rows *to, const char *name, const unsigned *id, FILE *f)
{
    struct passwd pw, *p = NULL;
    struct group gr, *g = NULL;
    int rc;
    if (group)
        rc = f ? fgetgrent_r(f, &gr, room, ROOM, &g) : name ? getgrnam_r(name, &gr, room, ROOM, &g)
           : id ? getgrgid_r(*id, &gr, room, ROOM, &g) : getgrent_r(&gr, room, ROOM, &g);
    else
        rc = f ? fgetpwent_r(f, &pw, room, ROOM, &p) : name ? getpwnam_r(name, &pw, room, ROOM, &p)
           : id ? getpwuid_r(*id, &pw, room, ROOM, &p) : getpwent_r(&pw, room, ROOM, &p);
    if (p || g)
        add(to, p, g);
    if (rc && (name || id))
        die("error", strerror(rc), NULL);
    return !rc && (p || g);
}

static void expect(const char *what, const struct row *want)
{
    const char *got = ours.count ? ours.row[0].text : NULL;
    if (!got != !want || (got && strcmp(got, want->text)))
        die(what, got, want ? want->text : NULL);
    clear(&ours);
}

/* Checks getgrouplist(3) by the rows that glibc has found. */
static void expect_memberships(const char *member)
{
    static gid_t want[MOST + 1], got[MOST + 1];
    int count = 1, room_for = MOST + 1;
    want[0] = 12345;
    for (size_t i = 0; i < theirs.count; i++) {
        int is_member = 0;
        for (char **at = theirs.row[i].members; *at; at++)
            is_member |= !strcmp(*at, member);
        for (int k = 0; k < count; k++)
            is_member = is_member && want[k] != theirs.row[i].id;
        if (is_member)
            want[count++] = theirs.row[i].id;
    }
    int rc = getgrouplist(member, 12345, got, &room_for);
    if (rc != count || room_for != count || memcmp(got, want, (size_t)count * sizeof *got))
        die("getgrouplist", member, NULL);
}

/* Writes in place, because a rename makes ext4 wait for the disk. */
static void install(const char *path, const struct bytes *b)
{
    static int fd = -1;
    if (fd < 0)
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || pwrite(fd, b->at, b->len, 0) != (ssize_t)b->len || ftruncate(fd, (off_t)b->len))
        die("cannot write", path, NULL);
}

/* A copy of the bytes for glibc, in which lines with a NUL byte are comments. A last line that begins with a blank
 * gets a newline, because glibc 2.36 reads a byte too many without it. */
static struct bytes for_glibc(const struct bytes *b)
{
    struct bytes copy = { malloc(b->len + 1), b->len };
    size_t last = 0;
    memcpy(copy.at, b->at, b->len);
    for (size_t from = 0; from < b->len;) {
        char *end = memchr(b->at + from, '\n', b->len - from);
        size_t to = end ? (size_t)(end - b->at) : b->len;
        if (memchr(b->at + from, 0, to - from))
            memset(copy.at + from, '#', to - from);
        last = from;
        from = to + 1;
    }
    if (b->len && isspace((unsigned char)b->at[last]) && b->at[b->len - 1] != '\n')
        copy.at[copy.len++] = '\n';
    return copy;
}

static void compare(const char *path, const struct bytes *b)
{
    static const unsigned odd_ids[] = { 0, 1, 65534, 4294967294u, 4294967295u, 424242 };
    static const char *const odd_names[] = { "", "root", "x", "no such", "bob:x", "#", ":", "bob\nann", "+" };
    current = b;
    install(path, b);
    struct bytes plain = for_glibc(b);
    FILE *f = plain.len ? fmemopen(plain.at, plain.len, "rb") : NULL;
    while (f && lookup(&theirs, NULL, NULL, f)) {
        const struct row *row = &theirs.row[theirs.count - 1];
        if (*row->name == '+' || *row->name == '-')
            remove_last(&theirs);
    }
    if (f)
        fclose(f);
    free(plain.at);

    group ? setgrent() : setpwent();
    while (lookup(&ours, NULL, NULL, NULL))
        ;
    group ? endgrent() : endpwent();
    for (size_t i = 0; i < ours.count || i < theirs.count; i++) {
        const char *got = i < ours.count ? ours.row[i].text : NULL;
        const char *want = i < theirs.count ? theirs.row[i].text : NULL;
        if (!got || !want || strcmp(got, want))
            die("enumeration", got, want);
    }
    clear(&ours);
    compared += theirs.count;

    /* The library answers the first questions about a file by a search, and later ones by an index. */
    for (size_t i = 0; i < theirs.count && i < 60; i++) {
        size_t name = 0, id = 0;
        while (strcmp(theirs.row[name].name, theirs.row[i].name))
            name++;
        while (theirs.row[id].id != theirs.row[i].id)
            id++;
        lookup(&ours, theirs.row[i].name, NULL, NULL);
        expect("by name", &theirs.row[name]);
        lookup(&ours, NULL, &theirs.row[i].id, NULL);
        expect("by id", &theirs.row[id]);
        if (group)
            expect_memberships(theirs.row[i].name);
        for (int m = 0; group && m < 9 && theirs.row[i].members[m]; m++)
            expect_memberships(theirs.row[i].members[m]);
    }
    for (size_t i = 0; i < sizeof odd_ids / sizeof *odd_ids; i++) {
        size_t at = 0;
        while (at < theirs.count && theirs.row[at].id != odd_ids[i])
            at++;
        lookup(&ours, NULL, &odd_ids[i], NULL);
        expect("by an odd id", at < theirs.count ? &theirs.row[at] : NULL);
    }
    for (size_t i = 0; i < sizeof odd_names / sizeof *odd_names; i++) {
        size_t at = 0;
        while (at < theirs.count && strcmp(theirs.row[at].name, odd_names[i]))
            at++;
        lookup(&ours, odd_names[i], NULL, NULL);
        expect("by an odd name", at < theirs.count ? &theirs.row[at] : NULL);
        if (group)
            expect_memberships(odd_names[i]);
    }
    clear(&theirs);
}

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(seed >> 33) % below;
}

/* Inserts, removes, changes or repeats a few bytes. */
static void mutate(struct bytes *b)
{
    static const char odd[] = ":::::\n\n\n,,, \t\r\v\f#+-0129xab\0\xff\x80";
    static const char *const parts[] = {
        "4294967295", "4294967296", "18446744073709551615", "18446744073709551616", "-1", "-0", "+0",
        "0", "00", "\n#", "\r\n", "\n\n", "::", ":0:", ":0:0:", "\n ", ",,", "bob", "\nbob:x:0:0:::\n",
        "\n:", "- 1", "0x0", " 0", "0 ",
    };
    for (unsigned times = 1 + draw(6); times; times--) {
        size_t at = draw((unsigned)b->len + 1), len = 1;
        const char *part = &odd[draw(sizeof odd - 1)];
        switch (draw(5)) {
        case 0:
            part = parts[draw(sizeof parts / sizeof *parts)];
            len = strlen(part);
            /* fall through */
        case 1:
            memmove(b->at + at + len, b->at + at, b->len - at);
            memcpy(b->at + at, part, len);
            b->len += len;
            break;
        case 2:
            len = draw(8);
            len = len < b->len - at ? len : b->len - at;
            memmove(b->at + at, b->at + at + len, b->len - at - len);
            b->len -= len;
            break;
        case 3:
            if (at < b->len)
                b->at[at] = *part;
            break;
        case 4: {
            size_t from = draw((unsigned)b->len + 1);
            len = draw(40);
            len = len < b->len - from ? len : b->len - from;
            memcpy(room, b->at + from, len);
            memmove(b->at + at + len, b->at + at, b->len - at);
            memcpy(b->at + at, room, len);
            b->len += len;
        }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    group = !strcmp(argv[2], "group");
    seed = strtoul(argv[4], NULL, 10);
    unsigned long count = strtoul(argv[3], NULL, 10), files = 0;
    unsigned kinds = (unsigned)argc - 5;
    struct bytes *base = calloc(kinds, sizeof *base);
    setenv(group ? "NSS_WRAPPER_GROUP" : "NSS_WRAPPER_PASSWD", argv[1], 1);
    for (unsigned i = 0; i < kinds; i++, files++) {
        FILE *f = fopen(argv[5 + i], "rb");
        base[i].at = malloc(ROOM);
        base[i].len = f ? fread(base[i].at, 1, ROOM, f) : 0;
        if (!f || fclose(f))
            die("cannot read", argv[5 + i], NULL);
        base[i].at = realloc(base[i].at, base[i].len + 1);
        compare(argv[1], &base[i]);
    }
    for (unsigned long i = 0; i < count; i++, files++) {
        const struct bytes *from = &base[draw(kinds)];
        if (from->len > 4096)
            continue;
        struct bytes changed = { malloc(from->len + 1024), from->len };
        memcpy(changed.at, from->at, from->len);
        mutate(&changed);
        compare(argv[1], &changed);
        free(changed.at);
    }
    for (unsigned i = 0; i < kinds; i++)
        free(base[i].at);
    free(base);
    printf("%lu files %lu rows\n", files, compared);
    return 0;
}
