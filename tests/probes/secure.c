/* A program that is linked with the library. Says whether it is a secure process, AT_SECURE of getauxval(3); what it
 * finds; and whether anybody has read a variable of the library's. */
#define _GNU_SOURCE
#include "../../include/nss_wrapper_rs.h"
#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;
static int reads;

/* A definition in the program takes the place of libc's, for libraries too. */
char *getenv(const char *name)
{
    size_t len = strlen(name);
    reads += !strncmp(name, "NSS_WRAPPER_", 12) || !strcmp(name, "UID_WRAPPER");
    for (char **at = environ; *at; at++)
        if (!strncmp(*at, name, len) && (*at)[len] == '=')
            return *at + len + 1;
    return NULL;
}

int main(void)
{
    char name[256] = "";
    gid_t gids[64];
    int count = 64, enabled = nss_wrapper_enabled() + nss_wrapper_shadow_enabled() + nss_wrapper_hosts_enabled();
    const char *user = getpwnam("wrapped") ? "a user" : "no user";
    const char *group = getgrnam("wrapped") ? "a group" : "no group";
    const char *shadow = getspnam("wrapped") ? "a password" : "no password";
    getgrouplist("wrapped", 1, gids, &count);
    gethostname(name, sizeof name);
    for (setpwent(); getpwent();)
        ;
    endpwent();
    printf("%s, %d enabled, %s, %s, %s, %d groups, %s, ", getauxval(AT_SECURE) ? "secure" : "plain", enabled,
           user, group, shadow, count, !strcmp(name, "wrapped") ? "wrapped name" : "own name");
    printf("%s\n", reads ? "variables read" : "no variable read");
    return 0;
}
