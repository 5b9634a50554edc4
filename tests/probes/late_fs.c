/* late_fs MOUNTPOINT COUNTERS MODE…
 *
 * Serves a file system with one file, `passwd`, until it is unmounted. COUNTERS is a file with the struct
 * counters, which other processes map, too. Setting `version` there edits the passwd file.
 *
 *   late=MS     read(2) takes MS milliseconds
 *   error       read(2) fails with EIO
 *   endless     the file says that it has 4096 bytes, and never ends
 *   future      the file's times are a day ahead
 *
 * The kernel may cache neither attributes nor content, so that every call comes here and is counted. */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include "late_fs.h"
#include <errno.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static struct counters *counters;
static long late_ms;
static int is_error, is_endless, is_future;
static time_t begin;

static size_t content(char *to, size_t room)
{
    return (size_t)snprintf(to, room, LATE_CONTENT, counters->version);
}

static int late_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    char text[256];
    (void)fi;
    memset(st, 0, sizeof *st);
    if (!strcmp(path, "/")) {
        st->st_mode = S_IFDIR | 0755;
        st->st_nlink = 2;
        return 0;
    }
    if (strcmp(path, "/passwd"))
        return -ENOENT;
    counters->stats++;
    st->st_mode = S_IFREG | 0644;
    st->st_nlink = 1;
    st->st_size = is_endless ? 4096 : (off_t)content(text, sizeof text);
    /* A day ago, or a day ahead. Each version has other times. */
    st->st_ctim.tv_sec = begin + (is_future ? 86400 : -86400);
    st->st_ctim.tv_nsec = 1000 + counters->version;
    st->st_mtim = st->st_ctim;
    return 0;
}

static int late_open(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    counters->opens++;
    fi->direct_io = 1;
    return 0;
}

static int late_read(const char *path, char *to, size_t size, off_t at, struct fuse_file_info *fi)
{
    static const char line[] = "eve:x:7:7:::\n";
    char text[256];
    (void)path;
    (void)fi;
    counters->reads++;
    nanosleep(&(struct timespec){ late_ms / 1000, late_ms % 1000 * 1000000 }, NULL);
    if (is_error)
        return -EIO;
    if (is_endless) {
        for (size_t i = 0; i < size; i++)
            to[i] = line[((size_t)at + i) % (sizeof line - 1)];
        return (int)size;
    }
    size_t len = content(text, sizeof text);
    if ((size_t)at >= len)
        return 0;
    size_t rest = len - (size_t)at < size ? len - (size_t)at : size;
    memcpy(to, text + at, rest);
    return (int)rest;
}

static void *late_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
    (void)conn;
    config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
    config->kernel_cache = 0;
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct fuse_operations operations = {
        .getattr = late_getattr, .open = late_open, .read = late_read, .init = late_init
    };
    if (argc < 3 || !(counters = map_counters(argv[2])))
        return 2;
    for (int i = 3; i < argc; i++) {
        sscanf(argv[i], "late=%ld", &late_ms);
        is_error |= !strcmp(argv[i], "error");
        is_endless |= !strcmp(argv[i], "endless");
        is_future |= !strcmp(argv[i], "future");
    }
    begin = time(NULL);
    char *args[] = { argv[0], "-f", "-o", "auto_unmount", argv[1], NULL };
    return fuse_main(5, args, &operations, NULL);
}
