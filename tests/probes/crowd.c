/* crowd COUNT: so many threads live at once, and each asks for bob. */
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t all;

static void *ask(void *unused)
{
    char buf[1024];
    struct passwd pw, *found;
    if (getpwnam_r("bob", &pw, buf, sizeof buf, &found) || !found) {
        puts("no answer");
        exit(1);
    }
    pthread_barrier_wait(&all);
    return unused;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    pthread_barrier_init(&all, NULL, (unsigned)count + 1);
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, ask, NULL))
            return 2;
    }
    pthread_barrier_wait(&all);
    puts("fine");
    return 0;
}
