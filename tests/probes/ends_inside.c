/* ends_inside NAME: a thread asks for the user of that name, which ends the thread in a module's function. The
 * program is compiled with -fexceptions, so that the clean-up of the thread's function runs if the stack is unwound
 * as far as there. Prints that it ran, and then the name of user 11. */
#define _GNU_SOURCE
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>

static void clean_up(int *unused)
{
    (void)unused;
    puts("cleaned up");
}

static void *ask(void *name)
{
    int guard __attribute__((cleanup(clean_up))) = 0;
    getpwnam(name);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc != 2 || pthread_create(&thread, NULL, ask, argv[1]))
        return 2;
    void *result = NULL;
    if (pthread_join(thread, &result) || result != PTHREAD_CANCELED)
        return 3;
    struct passwd *user = getpwuid(11);
    puts(user ? user->pw_name : "nobody");
    return 0;
}
