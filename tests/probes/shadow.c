/* shadow list        every entry, by getspent; the same by getspent_r and by name must be equal
 * shadow names NAME…  each by getspnam and getspnam_r, which must agree
 * shadow fget FILE   every entry that glibc's fgetspent_r finds in the file
 * shadow buffers     getspnam_r and getspent_r with every length at every alignment */
#define _GNU_SOURCE
#include <errno.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char line[2][1 << 21];

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s / %s\n", what, line[0], line[1]);
    exit(1);
}

static void show(char *to, const struct spwd *sp)
{
    snprintf(to, sizeof line[0], "%s:%s:%ld:%ld:%ld:%ld:%ld:%ld:%lu", sp->sp_namp, sp->sp_pwdp, sp->sp_lstchg,
             sp->sp_min, sp->sp_max, sp->sp_warn, sp->sp_inact, sp->sp_expire, sp->sp_flag);
}

static void buffers(void)
{
    static char memory[512];
    struct spwd sp, *found;

    for (int call = 0; call < 2; call++)
        for (size_t offset = 0; offset < 16; offset++) {
            int enough = 0;
            for (size_t len = 0; len < 200; len++) {
                char *buf = memory + 32 + offset;
                memset(memory, '#', sizeof memory);
                found = &sp;
                errno = 4242;
                setspent();
                int rc = call ? getspent_r(&sp, buf, len, &found) : getspnam_r("bob", &sp, buf, len, &found);
                if (errno != 4242)
                    fail("errno");
                for (char *p = memory; p < memory + sizeof memory; p++)
                    if ((p < buf || p >= buf + len) && *p != '#')
                        fail("a byte outside the buffer");
                if (rc == 0) {
                    enough = 1;
                    if (found != &sp || sp.sp_namp < buf || sp.sp_pwdp >= buf + len)
                        fail("a pointer out of the buffer");
                } else if (rc != ERANGE || found || enough)
                    fail("neither a result nor ERANGE");
            }
            if (!enough)
                fail("no length is enough");
        }
    puts("ok");
}

int main(int argc, char **argv)
{
    static char buf[1 << 21];
    struct spwd sp, *found;

    if (argc > 1 && !strcmp(argv[1], "buffers"))
        buffers();
    else if (argc > 2 && !strcmp(argv[1], "fget")) {
        FILE *file = fopen(argv[2], "re");
        while (file && fgetspent_r(file, &sp, buf, sizeof buf, &found) == 0) {
            show(line[0], found);
            puts(line[0]);
        }
    } else if (argc > 2)
        for (int i = 2; i < argc; i++) {
            line[1][0] = 0;
            found = getspnam(argv[i]);
            strcpy(line[0], "-");
            if (found)
                show(line[0], found);
            int rc = getspnam_r(argv[i], &sp, buf, sizeof buf, &found);
            strcpy(line[1], "-");
            if (found)
                show(line[1], found);
            if (rc || strcmp(line[0], line[1]))
                fail("getspnam_r differs");
            puts(line[0]);
        }
    else {
        size_t count = 0, again = 0;
        setspent();
        while ((found = getspent())) {
            count++;
            show(line[0], found);
            puts(line[0]);
        }
        setspent();
        while (getspent_r(&sp, buf, sizeof buf, &found) == 0)
            again++;
        endspent();
        if (again != count)
            fail("getspent_r counts otherwise");
    }
    return 0;
}
