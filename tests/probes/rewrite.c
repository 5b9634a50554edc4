/* rewrite DIR: makes lookups while a write(2) in place is stopped in the kernel, which has set the file's times and
 * has not copied the bytes yet. When the write has returned, the next lookup must see the new bytes. The write stops
 * at a page of its buffer that userfaultfd(2) has not provided yet. The exit code is 77 if that is not allowed, or if
 * the machine is too slow. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char text[] = "bob:x:1000:1:0:/:/s\n";
static char *page;
static int fd;

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void *writer(void *at)
{
    must(pwrite(fd, page, 1, (off_t)(size_t)at) == 1, "pwrite");
    return NULL;
}

static int digit(void)
{
    const struct passwd *p = getpwnam("bob");
    must(p != NULL, "bob");
    return *p->pw_gecos;
}

/* Milliseconds since the file's last change, by the clock that stamps it. */
static long age(void)
{
    struct stat st;
    struct timespec now;
    must(!fstat(fd, &st), "fstat");
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (now.tv_sec - st.st_ctim.tv_sec) * 1000 + (now.tv_nsec - st.st_ctim.tv_nsec) / 1000000;
}

/* True if the machine was quick enough for the round to count. */
static int round_of(int uffd, char value)
{
    static char source[4096] __attribute__((aligned(4096)));
    size_t at = (size_t)(strstr(text, ":0:") - text + 1);
    pthread_t thread;

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register whole = { .range = { (size_t)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
    must(!ioctl(uffd, UFFDIO_REGISTER, &whole), "UFFDIO_REGISTER");
    while (age() < 300)
        usleep(20000);
    int before = digit();
    must(!pthread_create(&thread, NULL, writer, (void *)at), "pthread_create");
    struct uffd_msg fault;
    must(read(uffd, &fault, sizeof fault) == sizeof fault, "userfaultfd");
    int begun = age() < 100;
    /* Wait for some ticks of the clock. */
    while (begun && age() < 30)
        usleep(5000);
    for (int i = 0; i < 40; i++)
        must(digit() == before || !begun, "the byte is not written yet");
    int quick = begun && age() < 150;
    source[0] = value;
    struct uffdio_copy give = { .dst = (size_t)page, .src = (size_t)source, .len = 4096 };
    must(!ioctl(uffd, UFFDIO_COPY, &give), "UFFDIO_COPY");
    pthread_join(thread, NULL);
    int after = digit();
    if (quick && after != value) {
        fprintf(stderr, "%c instead of %c after a write that took %ld ms\n", after, value, age());
        exit(1);
    }
    munmap(page, 4096);
    return quick;
}

int main(int argc, char **argv)
{
    char path[4096];
    if (argc != 2)
        return 2;
    int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    struct uffdio_api api = { .api = UFFD_API };
    if (uffd < 0)
        return 77;
    must(!ioctl(uffd, UFFDIO_API, &api), "UFFDIO_API");
    snprintf(path, sizeof path, "%s/passwd", argv[1]);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1, path);
    setenv("NSS_WRAPPER_PASSWD", path, 1);
    for (int tries = 0, done = 0; done < 3; tries++) {
        if (tries == 50)
            return 77;
        done += round_of(uffd, (char)('1' + tries % 9));
    }
    return 0;
}
