/* As an id without an entry, with NSS_WRAPPER_USER set and nothing else: short buffers, errno, and
 * an enumeration that goes from libc to the own entry, also when a buffer was too short. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define must(ok) ((ok) ? (void)0 : fail(#ok, __LINE__))

static void fail(const char *what, int line)
{
    fprintf(stderr, "line %d: %s\n", line, what);
    exit(1);
}

int main(void)
{
    char buf[1024];
    struct passwd pw, *user;
    struct group gr, *group;
    size_t enough = 0, count = 0, in_libc = 0;
    const char *name = "ipython";
    int rc;

    for (size_t len = 0; len < 200; len++) {
        memset(buf, '#', sizeof buf);
        errno = 4242;
        user = &pw;
        rc = getpwuid_r(getuid(), &pw, buf, len, &user);
        must(errno == 4242);
        for (size_t i = len; i < sizeof buf; i++)
            must(buf[i] == '#');
        if (rc == 0) {
            must(user == &pw && !strcmp(pw.pw_name, name) && pw.pw_uid == getuid());
            must(pw.pw_dir >= buf && pw.pw_dir < buf + len && pw.pw_shell >= buf && pw.pw_shell < buf + len);
            if (!enough)
                enough = len;
        } else
            must(rc == ERANGE && !user && !enough);
        group = &gr;
        rc = getgrnam_r(name, &gr, buf, len, &group);
        must(rc == 0 ? group == &gr && gr.gr_gid == getgid() && !*gr.gr_mem : rc == ERANGE && !group);
    }
    must(enough);
    must(getpwnam_r("nobody there", &pw, buf, sizeof buf, &user) == 0 && !user);

    setpwent();
    while ((user = getpwent()))
        count += !strcmp(user->pw_name, name);
    must(count == 1);
    must(!getpwent());
    /* From the beginning again, with a buffer that is too short at first for each row. */
    setpwent();
    count = 0;
    for (;;) {
        rc = getpwent_r(&pw, buf, 8, &user);
        if (rc == ENOENT)
            break;
        must(rc == ERANGE && !user);
        must(getpwent_r(&pw, buf, sizeof buf, &user) == 0 && user == &pw);
        if (!strcmp(pw.pw_name, name))
            count++;
        else
            in_libc++;
    }
    endpwent();
    must(count == 1 && in_libc > 5);
    puts("ok");
    return 0;
}
