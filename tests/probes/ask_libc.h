/* Questions for which libc makes a lookup inside itself; questions to the library's own functions; and commands
 * that set up what a question needs: a variable, a link, a limit. Answers are as in ask.h. */
#ifndef ASK_LIBC_H
#define ASK_LIBC_H
#include "ask.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/resource.h>
#include <wordexp.h>

/* A function of failing_malloc.c; null unless that is preloaded. */
extern long fail_allocation(long nth, int all) __attribute__((weak));

#ifdef GLOB_TILDE
static void ask_glob(struct asker *a, char **w)
{
    glob_t found;
    int rc = glob(w[0], GLOB_TILDE, NULL, &found);
    say(&a->text, "%s", rc ? "none" : found.gl_pathv[0]);
    if (!rc)
        globfree(&found);
}
#endif

static void ask_wordexp(struct asker *a, char **w)
{
    wordexp_t words;
    int rc = wordexp(w[0], &words, WRDE_NOCMD);
    say(&a->text, "%s", rc ? "none" : words.we_wordv[0]);
    if (!rc)
        wordfree(&words);
}

/* getlogin_r UID: sets the login of the process to that user, which only root can do, and asks for its name. */
static void ask_getlogin_r(struct asker *a, char **w)
{
    char name[256];
    int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, w[0], strlen(w[0])) < 0)
        say(&a->text, "loginuid cannot be set");
    else
        say(&a->text, "%s", getlogin_r(name, sizeof name) ? "none" : name);
    close(fd);
}

/* The function of that name. It is not named in the program, because the linker warns of obsolete functions. */
static void *symbol(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

#ifdef __GLIBC__
static void ask_glob64(struct asker *a, char **w)
{
    glob64_t found;
    int rc = glob64(w[0], GLOB_TILDE, NULL, &found);
    say(&a->text, "%s", rc ? "none" : found.gl_pathv[0]);
    if (!rc)
        globfree64(&found);
}

/* getpw and cuserid are asked for whoever runs the process. */
static void ask_getpw(struct asker *a, char **w)
{
    int (*getpw)(uid_t, char *) = (int (*)(uid_t, char *))symbol("getpw");
    char line[1024];
    (void)w;
    say(&a->text, "%s", getpw(getuid(), line) ? "none" : line);
}

static void ask_cuserid(struct asker *a, char **w)
{
    char *(*cuserid)(char *) = (char *(*)(char *))symbol("cuserid"), *name = cuserid(NULL);
    (void)w;
    say(&a->text, "%s", name ? name : "none");
}
#endif

/* enabled FUNCTION: what a function such as nss_wrapper_enabled() says. It is looked up by dlsym(3), as by programs
 * that also run without the library. */
static void ask_enabled(struct asker *a, char **w)
{
    _Bool (*enabled)(void) = (_Bool (*)(void))symbol(w[0]);
    say(&a->text, "%s", enabled ? enabled() ? "yes" : "no" : "missing");
}

static void done(struct asker *a, int ok)
{
    say(&a->text, ok ? "done" : "failed");
}

/* setenv NAME [VALUE]: without a value the variable is unset. */
static void ask_setenv(struct asker *a, char **w)
{
    done(a, !(w[1] ? setenv(w[0], w[1], 1) : unsetenv(w[0])));
}

static void ask_chdir(struct asker *a, char **w)
{
    done(a, !chdir(w[0]));
}

static void ask_symlink(struct asker *a, char **w)
{
    done(a, !symlink(w[0], w[1]));
}

/* copy FROM TO: writes in place, and without stdio, which would allocate memory. */
static void ask_copy(struct asker *a, char **w)
{
    int from = open(w[0], O_RDONLY | O_CLOEXEC), to = open(w[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ssize_t len = read(from, a->buf, a->len);
    done(a, len >= 0 && pwrite(to, a->buf, (size_t)len, 0) == len && !ftruncate(to, len) && !close(from) && !close(to));
}

/* stderr FILE: closes standard error, and opens the file as descriptor 2. */
static void ask_stderr(struct asker *a, char **w)
{
    close(2);
    done(a, open(w[0], O_WRONLY | O_CREAT, 0644) == 2);
}

/* files N: sets the limit of open files. */
static void ask_files(struct asker *a, char **w)
{
    struct rlimit limit = { number(w[0]), 1024 };
    done(a, !setrlimit(RLIMIT_NOFILE, &limit));
}

/* fail N: makes the Nth allocation from now on fail. failed: says how many have failed. */
static void ask_fail(struct asker *a, char **w)
{
    fail_allocation(number(w[0]), 0);
    done(a, 1);
}

static void ask_failed(struct asker *a, char **w)
{
    (void)w;
    say(&a->text, "%ld", fail_allocation(0, 0));
}

static const struct verb libc_verbs[] = {
#ifdef GLOB_TILDE
    VERB(glob),
#endif
#ifdef __GLIBC__
    VERB(glob64), VERB(getpw), VERB(cuserid),
#endif
    VERB(wordexp), VERB(getlogin_r), VERB(enabled), VERB(setenv), VERB(chdir), VERB(symlink), VERB(copy),
    VERB(stderr), VERB(files), VERB(fail), VERB(failed), { NULL, NULL },
};
#endif
