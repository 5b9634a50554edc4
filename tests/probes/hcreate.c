/* Uses the hash table of hcreate(3), of which a process has only one, before lookups and after. */
#define _GNU_SOURCE
#include <grp.h>
#include <pwd.h>
#include <search.h>
#include <stdio.h>

static int look(void)
{
    gid_t gids[8];
    int count = 8;
    return getpwnam("bob") && getpwuid(4242) && getgrnam("lab") && getgrgid(77) &&
           getgrouplist("bob", 1, gids, &count) == 2 && (setpwent(), getpwent());
}

static int use_table(const char *key)
{
    ENTRY entry = { (char *)key, (void *)key }, other = { "bob", NULL };
    if (!hsearch(entry, ENTER) || hsearch(other, FIND))
        return 0;
    const ENTRY *found = look() ? hsearch(entry, FIND) : NULL;
    return found && found->data == key;
}

int main(int argc, char **argv)
{
    (void)argv;
    /* With an argument there are lookups before the table is made. */
    if (argc > 1 && !look())
        return 1;
    if (!hcreate(16) || !use_table("one") || !use_table("two"))
        return 2;
    hdestroy();
    if (!look() || !hcreate(4) || !use_table("three"))
        return 3;
    hdestroy();
    puts("fine");
    return 0;
}
