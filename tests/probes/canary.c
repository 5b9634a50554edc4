/* Looks for the stack's canary in the library's own variables, after lookups that need the hash secret.
 * glibc makes the canary of the first eight bytes that the kernel gives by AT_RANDOM, and sets its lowest
 * byte to zero. A secret may differ in its lowest bits, so only the other seven bytes are compared. Prints
 * how many words of the variables are like the canary, and whether there were many words. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static uintptr_t base;
static size_t words, same;

/* Searches the library's writable segments. */
static int search(struct dl_phdr_info *info, size_t size, void *canary)
{
    (void)size;
    if (info->dlpi_addr != base)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_W))
            continue;
        const uint64_t *word = (const void *)((info->dlpi_addr + part->p_vaddr + 7) & ~(uintptr_t)7);
        for (size_t n = part->p_memsz / 8; n > 1; n--, word++, words++)
            same += *word >> 8 == *(uint64_t *)canary >> 8;
    }
    return 1;
}

int main(void)
{
    uint64_t canary;
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, "nss_wrapper_enabled");
    memcpy(&canary, (const void *)getauxval(AT_RANDOM), sizeof canary);
    for (int i = 0; i < 50; i++)
        if (!getpwnam(i & 1 ? "ann" : "bob"))
            return 1;
    if (!symbol || !dladdr(symbol, &info))
        return 2;
    base = (uintptr_t)info.dli_fbase;
    dl_iterate_phdr(search, &canary);
    printf("%zu of %s\n", same, words > 10 ? "many" : "few");
    return 0;
}
