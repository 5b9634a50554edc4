/* repeat COUNT KEY…: makes COUNT lookups of users, by the keys in turn. callgrind counts their instructions.
 *
 * A KEY is a user id or a name. Each must be found. */
#define _GNU_SOURCE
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void look(const char *key)
{
    char buf[1024];
    struct passwd pw, *p = NULL;
    if (isdigit((unsigned char)*key))
        getpwuid_r((uid_t)strtoul(key, NULL, 10), &pw, buf, sizeof buf, &p);
    else
        getpwnam_r(key, &pw, buf, sizeof buf, &p);
    if (!p) {
        fprintf(stderr, "%s is not found\n", key);
        _exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    char **key = argv + 2;
    for (int left = atoi(argv[1]); left > 0; left--) {
        look(*key);
        key = key[1] ? key + 1 : argv + 2;
    }
    return 0;
}
