/* inside NAME [LOGINUID]: what libc's own lookups say of the user NAME and of the process's user.
 * With LOGINUID the process is that login's, for getlogin_r. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <wordexp.h>

int main(int argc, char **argv)
{
    char pattern[256], line[1024];
    glob_t found;
    wordexp_t words;

    if (argc > 2) {
        int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, argv[2], strlen(argv[2])) < 0)
            puts("getlogin_r: loginuid cannot be set");
        else
            printf("getlogin_r: %s\n", getlogin_r(line, sizeof line) ? "-" : line);
        close(fd);
    }
    snprintf(pattern, sizeof pattern, "~%s", argv[1]);
#ifdef GLOB_TILDE
    int rc = glob(pattern, GLOB_TILDE, NULL, &found);
    printf("glob: %s\n", rc ? "-" : found.gl_pathv[0]);
#ifdef __GLIBC__
    glob64_t found64;
    rc = glob64(pattern, GLOB_TILDE, NULL, &found64);
    printf("glob64: %s\n", rc ? "-" : found64.gl_pathv[0]);
    globfree64(&found64);
#endif
    if (!rc)
        globfree(&found);
#endif
    printf("wordexp: %s\n", wordexp(pattern, &words, 0) ? "-" : words.we_wordv[0]);
#ifdef __GLIBC__
    extern int getpw(uid_t, char *);
    printf("getpw: %s\n", getpw(getuid(), line) ? "-" : line);
    extern char *cuserid(char *);
    char *name = cuserid(NULL);
    printf("cuserid: %s\n", name ? name : "-");
#endif
    return 0;
}
