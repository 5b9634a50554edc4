/* A library to preload. The program calls fail_allocation() to say which allocation fails. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static long left, failed;
static int for_good;

/* Makes the `nth` allocation from now on fail, and with `all` every later one, too. With 0 none fails.
 * Returns how many have failed since the last call. */
long fail_allocation(long nth, int all)
{
    long before = failed;
    failed = 0;
    for_good = all;
    left = nth;
    return before;
}

static int fails(void)
{
    if (left == 0 || --left > 0)
        return 0;
    left = for_good;
    failed++;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t align, size_t size)
{
    return fails() ? NULL : __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}

int posix_memalign(void **at, size_t align, size_t size)
{
    void *new = fails() ? NULL : __libc_memalign(align, size);
    if (!new)
        return ENOMEM;
    *at = new;
    return 0;
}
