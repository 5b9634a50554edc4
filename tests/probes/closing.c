/* closing DIR ROUNDS: a thread closes all descriptors again and again, and opens a file of the program's
 * own, which has another "bob". Meanwhile two threads look up, and another process edits the wrapped file.
 * No answer may come from the program's own file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] = "bob:x:1000:1:00000:/b:/s\n", other[] = "bob:x:0:1:other:/other:/s\n";
static _Atomic int stop;
static _Atomic unsigned long lookups;

static void *look(void *unused)
{
    char buf[512];
    struct passwd pw, *p;
    while (!stop) {
        int rc = getpwnam_r("bob", &pw, buf, sizeof buf, &p);
        /* A lookup whose descriptor was closed may fail with an error. */
        if (!rc && (!p || pw.pw_uid != 1000 || strcmp(pw.pw_dir, "/b"))) {
            fprintf(stderr, "%s\n", p ? "an answer from the program's file" : "not found");
            _exit(1);
        }
        lookups++;
    }
    return unused;
}

static void put(const char *path, const char *what)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, what, strlen(what)) != (ssize_t)strlen(what) || close(fd))
        exit(2);
}

int main(int argc, char **argv)
{
    char path[4096], own[4096], version[16];
    pthread_t thread[2];
    if (argc != 3)
        return 2;
    snprintf(path, sizeof path, "%s/passwd", argv[1]);
    snprintf(own, sizeof own, "%s/own", argv[1]);
    setenv("NSS_WRAPPER_PASSWD", path, 1);
    put(path, text);
    put(own, other);
    pid_t writer = fork();
    if (writer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(path, O_WRONLY);
        for (unsigned i = 0;; i++) {
            sprintf(version, "%05u", i % 100000);
            if (pwrite(fd, version, 5, 13) != 5)
                _exit(1);
            usleep(1000);
        }
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, look, NULL);
    for (int i = 0; i < atoi(argv[2]); i++) {
        syscall(SYS_close_range, 3, ~0u, 0);
        for (int k = 0; k < 4; k++)
            if (open(own, O_RDONLY) < 0)
                _exit(3);
        for (volatile int pause = 0; pause < 200; pause++)
            ;
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    printf("%lu lookups\n", lookups);
    return 0;
}
