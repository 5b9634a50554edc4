/* Prints what libc gives, in the same way for all probes: a row of passwd(5), group(5) or shadow(5), a
 * host, a list of getaddrinfo(3), the name of an error. Nothing here allocates memory.
 *
 *   bob:x:1000:100:Bob, B.:/home/bob:/bin/sh       a user
 *   lab:x:100:bob,ann                              a group
 *   bob:hash:19000:0:99999:7:-1:-1:0               a shadow entry
 *   v4.site (v4 alias) 127.0.0.11 127.0.0.12       a host, its aliases, its addresses
 *   v4.site [127.0.0.11]:80/2/1/6/0                a canonical name, then address, port, family,
 *                                                  type, protocol and flags of each result
 *
 * A byte that would make a line ambiguous is written as \xNN. */
#ifndef SAY_H
#define SAY_H
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <shadow.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A text that grows. What does not fit into the room is cut. */
struct text {
    char *at;
    size_t len, room;
};

__attribute__((format(printf, 2, 3))) static inline void say(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(t->at + t->len, t->room - t->len, format, args);
    va_end(args);
    size_t left = t->room - t->len - 1;
    t->len += (size_t)len < left ? (size_t)len : left;
}

/* The caller's buffer, in which all that a row points to must lie; null for a static result. */
struct place {
    const char *at;
    size_t len;
};

static inline void say_if_outside(struct text *t, const struct place *place, const void *at, size_t size,
                                  size_t align)
{
    const char *from = at;
    if (place && (from < place->at || from + size > place->at + place->len))
        say(t, "[outside of the buffer]");
    if ((uintptr_t)at % align)
        say(t, "[not aligned]");
}

/* `special` are the bytes that separate this field from others. */
static inline void say_field(struct text *t, const struct place *place, const char *field, const char *special)
{
    if (!field) {
        say(t, "(null)");
        return;
    }
    say_if_outside(t, place, field, strlen(field) + 1, 1);
    for (const char *from = field;; from++) {
        size_t plain = 0;
        while ((unsigned char)from[plain] >= ' ' && from[plain] != '\\' && !strchr(special, from[plain]))
            plain++;
        /* Not by printf(3), whose lengths are of type int. */
        size_t left = t->room - t->len - 1, len = plain < left ? plain : left;
        memcpy(t->at + t->len, from, len);
        t->at[t->len += len] = 0;
        from += plain;
        if (!*from)
            return;
        say(t, "\\x%02x", (unsigned char)*from);
    }
}

static inline void say_passwd(struct text *t, const void *row, const struct place *place)
{
    const struct passwd *p = row;
    say_field(t, place, p->pw_name, ":");
    say(t, ":");
    say_field(t, place, p->pw_passwd, ":");
    say(t, ":%u:%u:", p->pw_uid, p->pw_gid);
    say_field(t, place, p->pw_gecos, ":");
    say(t, ":");
    say_field(t, place, p->pw_dir, ":");
    say(t, ":");
    say_field(t, place, p->pw_shell, ":");
}

static inline void say_group(struct text *t, const void *row, const struct place *place)
{
    const struct group *g = row;
    say_field(t, place, g->gr_name, ":");
    say(t, ":");
    say_field(t, place, g->gr_passwd, ":");
    say(t, ":%u:", g->gr_gid);
    char **member = g->gr_mem;
    for (; *member; member++) {
        if (member != g->gr_mem)
            say(t, ",");
        say_field(t, place, *member, ",");
    }
    say_if_outside(t, place, g->gr_mem, (size_t)(member + 1 - g->gr_mem) * sizeof *member, sizeof *member);
}

static inline void say_shadow(struct text *t, const void *row, const struct place *place)
{
    const struct spwd *s = row;
    say_field(t, place, s->sp_namp, ":");
    say(t, ":");
    say_field(t, place, s->sp_pwdp, ":");
    say(t, ":%ld:%ld:%ld:%ld:%ld:%ld:%lu", s->sp_lstchg, s->sp_min, s->sp_max, s->sp_warn, s->sp_inact,
        s->sp_expire, s->sp_flag);
}

static inline void say_host(struct text *t, const void *row, const struct place *place)
{
    const struct hostent *h = row;
    char **alias = h->h_aliases, **at = h->h_addr_list, address[INET6_ADDRSTRLEN];
    size_t size = h->h_addrtype == AF_INET ? 4 : 16;
    say_field(t, place, h->h_name, " ()");
    say(t, " (");
    for (; *alias; alias++) {
        if (alias != h->h_aliases)
            say(t, " ");
        say_field(t, place, *alias, " ()");
    }
    say(t, ")");
    say_if_outside(t, place, h->h_aliases, (size_t)(alias + 1 - h->h_aliases) * sizeof *alias, sizeof *alias);
    if ((size_t)h->h_length != size)
        say(t, "[length %d, family %d]", h->h_length, h->h_addrtype);
    for (; *at; at++) {
        say(t, " %s", inet_ntop(h->h_addrtype, *at, address, sizeof address));
        say_if_outside(t, place, *at, size, sizeof(in_addr_t));
    }
    say_if_outside(t, place, h->h_addr_list, (size_t)(at + 1 - h->h_addr_list) * sizeof *at, sizeof *at);
}

static inline void say_addresses(struct text *t, const struct addrinfo *list)
{
    char address[INET6_ADDRSTRLEN];
    say(t, "%s", list->ai_canonname ? list->ai_canonname : "-");
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        const struct sockaddr_in *v4 = (const void *)ai->ai_addr;
        const struct sockaddr_in6 *v6 = (const void *)ai->ai_addr;
        int is4 = ai->ai_family == AF_INET;
        inet_ntop(ai->ai_family, is4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, address, sizeof address);
        say(t, " [%s]:%d", address, ntohs(is4 ? v4->sin_port : v6->sin6_port));
        if (!is4 && (v6->sin6_scope_id || v6->sin6_flowinfo))
            say(t, "%%%u/%u", v6->sin6_scope_id, v6->sin6_flowinfo);
        say(t, "/%d/%d/%d/%#x", ai->ai_family, ai->ai_socktype, ai->ai_protocol, (unsigned)ai->ai_flags);
        if (ai->ai_addr->sa_family != ai->ai_family || ai->ai_addrlen != (is4 ? sizeof *v4 : sizeof *v6))
            say(t, "[not an address of its family]");
        if (ai != list && ai->ai_canonname)
            say(t, "[a canonical name that is not the first]");
    }
}

struct named {
    int number;
    const char *name;
};

static inline void say_name(struct text *t, const struct named *names, int number)
{
    while (names->name && names->number != number)
        names++;
    if (names->name)
        say(t, "%s", names->name);
    else
        say(t, "%d", number);
}

#define NAMED(number) { number, #number }

static inline void say_errno(struct text *t, int number)
{
    static const struct named names[] = {
        NAMED(EACCES), NAMED(EAGAIN), NAMED(ECONNREFUSED), NAMED(EINVAL), NAMED(EIO),     NAMED(EISDIR),
        NAMED(EMFILE), NAMED(ENAMETOOLONG), NAMED(ENOENT), NAMED(ENOMEM), NAMED(ENOTDIR), NAMED(EPERM),
        NAMED(ERANGE), { 0, NULL },
    };
    say_name(t, names, number);
}

static inline void say_h_errno(struct text *t, int number)
{
    static const struct named names[] = {
        NAMED(HOST_NOT_FOUND), NAMED(TRY_AGAIN), NAMED(NO_RECOVERY), NAMED(NO_DATA),
#ifdef NETDB_INTERNAL
        NAMED(NETDB_INTERNAL), NAMED(NETDB_SUCCESS),
#endif
        { 0, NULL },
    };
    say_name(t, names, number);
}

static inline void say_eai(struct text *t, int number)
{
    static const struct named names[] = {
        NAMED(EAI_AGAIN), NAMED(EAI_BADFLAGS), NAMED(EAI_FAIL), NAMED(EAI_FAMILY), NAMED(EAI_MEMORY),
        NAMED(EAI_NONAME), NAMED(EAI_OVERFLOW), NAMED(EAI_SERVICE), NAMED(EAI_SOCKTYPE), NAMED(EAI_SYSTEM),
#ifdef EAI_ADDRFAMILY
        NAMED(EAI_ADDRFAMILY),
#endif
        { 0, NULL },
    };
    say_name(t, names, number);
}
#endif
