/* Preloaded: the allocation of number $FAIL_AT, counted from 1, finds no memory. Says on standard
 * error "not reached" if there were not so many. For glibc. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static long left = -1;

static int fails(void)
{
    if (left < 0) {
        const char *at = getenv("FAIL_AT");
        left = at ? atol(at) : 0;
    }
    if (left == 0 || --left > 0)
        return 0;
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

__attribute__((destructor)) static void tell(void)
{
    static const char text[] = "not reached\n";
    if (left > 0 && write(2, text, strlen(text)) < 0)
        abort();
}
