/* Threads whose first call is one that asks from inside. */
#define _GNU_SOURCE
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_barrier_t barrier;

static void *ask(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 100; i++) {
        glob_t found;
        int rc = glob("~builder", GLOB_TILDE, NULL, &found);
        if (rc || strcmp(found.gl_pathv[0], "/home/builder")) {
            fprintf(stderr, "round %d: %d %s\n", i, rc, rc ? "" : found.gl_pathv[0]);
            exit(1);
        }
        globfree(&found);
    }
    return NULL;
}

int main(void)
{
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, ask, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    puts("ok");
    return 0;
}
