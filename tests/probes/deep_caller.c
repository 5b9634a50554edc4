/* A shared object that deepbind.c loads with RTLD_DEEPBIND, as PHP loads its extensions. */
#define _GNU_SOURCE
#include "questions.h"

void ask_deeply(const char *question, char *to);

void ask_deeply(const char *question, char *to)
{
    answer(question, to);
}
