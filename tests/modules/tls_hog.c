/* Takes HOG bytes of the thread-local memory that libc sets aside for the libraries of a program's start and
 * a few that come later. */
static __thread char taken[HOG] __attribute__((tls_model("initial-exec"), aligned(8)));

char *tls_hog(void)
{
    return taken;
}
