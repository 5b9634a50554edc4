/* Takes HOG bytes of the static thread-local memory, which libc makes for the libraries that a program starts
 * with and for a few that are opened later. */
static __thread char taken[HOG] __attribute__((tls_model("initial-exec"), aligned(8)));

char *tls_hog(void)
{
    return taken;
}
