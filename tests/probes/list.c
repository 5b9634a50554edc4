/* The names of all users, then those of all groups. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

int main(void)
{
    struct passwd *user;
    struct group *group;

    while ((user = getpwent()))
        puts(user->pw_name);
    endpwent();
    while ((group = getgrent()))
        puts(group->gr_name);
    endgrent();
    return 0;
}
