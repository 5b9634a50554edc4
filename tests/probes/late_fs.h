/* What late_fs.c counts, for it and for waiting.c. */
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct counters { _Atomic unsigned stats, opens, reads, version; };

/* The file's text in a version. */
#define LATE_CONTENT "ann:x:5001:500:version %u:/home/ann:/bin/sh\nbob:x:5002:500::/home/bob:/bin/sh\n"

static struct counters *map_counters(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, sizeof(struct counters)))
        return NULL;
    void *at = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}
