/* Prints the passwd and group entries that it finds by name, by id and by enumeration; they must
 * be the same. Plain POSIX, for any libc. */
#define _GNU_SOURCE
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    char buf[1024], line[3][512];
    struct passwd pw, *user[3] = { 0 };
    struct group gr, *group[3] = { 0 };

    for (int i = 0; i < 3; i++) {
        if (i == 0)
            getpwnam_r("bob", &pw, buf, sizeof buf, &user[i]);
        else if (i == 1)
            user[i] = getpwuid(4242);
        else
            for (setpwent(); (user[i] = getpwent()) && strcmp(user[i]->pw_name, "bob");)
                ;
        if (!user[i])
            return 1;
        snprintf(line[i], sizeof line[i], "%s:%s:%u:%u:%s:%s:%s", user[i]->pw_name, user[i]->pw_passwd,
                 user[i]->pw_uid, user[i]->pw_gid, user[i]->pw_gecos, user[i]->pw_dir, user[i]->pw_shell);
    }
    if (strcmp(line[0], line[1]) || strcmp(line[0], line[2]))
        return 1;
    puts(line[0]);
    for (int i = 0; i < 3; i++) {
        if (i == 0)
            getgrnam_r("lab", &gr, buf, sizeof buf, &group[i]);
        else if (i == 1)
            group[i] = getgrgid(77);
        else
            for (setgrent(); (group[i] = getgrent()) && strcmp(group[i]->gr_name, "lab");)
                ;
        if (!group[i])
            return 1;
        int at = snprintf(line[i], sizeof line[i], "%s:%s:%u:", group[i]->gr_name, group[i]->gr_passwd,
                          group[i]->gr_gid);
        for (char **m = group[i]->gr_mem; *m; m++)
            at += snprintf(line[i] + at, sizeof line[i] - (size_t)at, "%s%s",
                           m == group[i]->gr_mem ? "" : ",", *m);
    }
    endpwent();
    endgrent();
    if (strcmp(line[0], line[1]) || strcmp(line[0], line[2]))
        return 1;
    puts(line[0]);
    return 0;
}
