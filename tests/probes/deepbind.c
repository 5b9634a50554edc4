/* deepbind CALLER QUESTION…
 *
 * Answers each question with a line. A question that begins with `deep:` is asked by the shared object CALLER,
 * which is loaded with RTLD_DEEPBIND and so calls libc's functions before those of preloaded libraries. The
 * program asks the others itself. */
#define _GNU_SOURCE
#include "questions.h"
#include <dlfcn.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    char text[4096];
    void (*ask_deeply)(const char *, char *) = NULL;
    if (argc < 3)
        return 2;
    for (int i = 2; i < argc; i++) {
        int is_deep = !strncmp(argv[i], "deep:", 5);
        if (is_deep && !ask_deeply) {
            void *caller = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
            *(void **)&ask_deeply = caller ? dlsym(caller, "ask_deeply") : NULL;
            if (!ask_deeply) {
                puts(dlerror());
                return 2;
            }
        }
        is_deep ? ask_deeply(argv[i] + 5, text) : answer(argv[i], text);
        printf("%s %s\n", argv[i], text);
    }
    return 0;
}
