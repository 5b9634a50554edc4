/* A library to preload. It counts the calls that can change a file or a lock, and kills the process before the
 * call number $DIE_BEFORE. With $NO_DIRECTORY_FSYNC, fsync(2) of a directory fails as on a file system that lacks it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void count(void)
{
	static int calls;
	const char *last = getenv("DIE_BEFORE");

	if (last != NULL && ++calls == atoi(last)) {
		kill(getpid(), SIGKILL);
	}
}

#define NEXT(name, ret, ...) ((ret (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	count();
	return NEXT("open64", int, const char *, int, mode_t)(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
	count();
	return NEXT("write", ssize_t, int, const void *, size_t)(fd, bytes, len);
}

int unlink(const char *path)
{
	count();
	return NEXT("unlink", int, const char *)(path);
}

int fchmod(int fd, mode_t mode)
{
	count();
	return NEXT("fchmod", int, int, mode_t)(fd, mode);
}

int fsync(int fd)
{
	struct stat st;

	count();
	if (getenv("NO_DIRECTORY_FSYNC") != NULL && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return NEXT("fsync", int, int)(fd);
}

int rename(const char *from, const char *to)
{
	count();
	return NEXT("rename", int, const char *, const char *)(from, to);
}

int flock(int fd, int operation)
{
	count();
	return NEXT("flock", int, int, int)(fd, operation);
}

int close(int fd)
{
	count();
	return NEXT("close", int, int)(fd);
}
