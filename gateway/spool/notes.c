/*
 * spool/notes — see notes.h
 */
#include "gateway/spool/notes.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/folder.h"
#include "gateway/base/mem.h"
#include "gateway/spool/checksum.h"

#define MAGIC "wpnotes1"
#define PREFIX "notes-"
enum { FRAME = 8, LINE = 64, NAME_MAX_LEN = 32 };

struct file {
    char magic[8];
    uint32_t epoch;
    char apart[LINE - 12]; /* each position has a cache line: two threads */
    _Atomic uint64_t put;
    char apart_too[LINE - 8];
    _Atomic uint64_t struck;
    char apart_from_ring[LINE - 8];
    char ring[NOTES_RING];
};
_Static_assert(sizeof(struct file) == NOTES_FILE, "layout of the file");
_Static_assert(offsetof(struct file, ring) == NOTES_HEADER, "layout of the header");

struct notes {
    struct file *file;
    char *path;
};

/* ---- writing ---- */

static struct file *map_new_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    void *p = MAP_FAILED;
    if (posix_fallocate(fd, 0, NOTES_FILE) == 0) /* a hole that cannot be filled is a SIGBUS */
        p = mmap(NULL, NOTES_FILE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED) {
        (void)unlink(path);
        return NULL;
    }
    return p;
}

struct notes *notes_new(const char *dir, uint32_t epoch, uint32_t number)
{
    char name[NAME_MAX_LEN];
    snprintf(name, sizeof name, PREFIX "%08" PRIx32 "-%04" PRIx32, epoch, number);
    char *path = path_in(dir, name);
    struct file *file = map_new_file(path);
    if (!file) {
        free(path);
        return NULL;
    }
    file->epoch = epoch;
    memcpy(file->magic, MAGIC, sizeof file->magic);
    struct notes *notes = mem_zero(sizeof *notes);
    notes->file = file;
    notes->path = path;
    return notes;
}

void notes_free(struct notes **notes)
{
    struct notes *n = *notes;
    if (!n)
        return;
    if (atomic_load(&n->file->put) == atomic_load(&n->file->struck))
        (void)unlink(n->path);
    (void)munmap(n->file, sizeof *n->file);
    free(n->path);
    free(n);
    *notes = NULL;
}

static void ring_write(char *ring, uint64_t at, const void *p, size_t n)
{
    size_t from = (size_t)(at % NOTES_RING), first = NOTES_RING - from < n ? NOTES_RING - from : n;
    memcpy(ring + from, p, first);
    memcpy(ring, (const char *)p + first, n - first);
}

uint64_t notes_put(struct notes *notes, struct slice record)
{
    struct file *file = notes->file;
    uint64_t put = atomic_load_explicit(&file->put, memory_order_relaxed);
    uint64_t used = put - atomic_load_explicit(&file->struck, memory_order_acquire);
    if (record.n > NOTES_RING - FRAME || FRAME + record.n > NOTES_RING - used)
        return 0;
    uint32_t frame[2] = { (uint32_t)record.n, checksum_extend(0, record.p, record.n) };
    ring_write(file->ring, put, frame, FRAME);
    ring_write(file->ring, put + FRAME, record.p, record.n);
    put += FRAME + record.n;
    atomic_store_explicit(&file->put, put, memory_order_release);
    return put;
}

void notes_strike(struct notes *notes, uint64_t position)
{
    if (position > atomic_load_explicit(&notes->file->struck, memory_order_relaxed))
        atomic_store_explicit(&notes->file->struck, position, memory_order_release);
}

/* ---- reading ---- */

static void ring_read(const char *ring, uint64_t at, void *p_r, size_t n)
{
    size_t from = (size_t)(at % NOTES_RING), first = NOTES_RING - from < n ? NOTES_RING - from : n;
    memcpy(p_r, ring + from, first);
    memcpy((char *)p_r + first, ring, n - first);
}

static uint64_t position_at(struct slice file, size_t offset)
{
    uint64_t position = 0;
    memcpy(&position, file.p + offset, sizeof position);
    return position;
}

bool notes_walk(struct slice file, notes_fn *fn, void *arg)
{
    if (file.n != NOTES_FILE || memcmp(file.p, MAGIC, sizeof MAGIC - 1) != 0)
        return false;
    const char *ring = file.p + NOTES_HEADER;
    uint64_t put = position_at(file, offsetof(struct file, put));
    uint64_t at = position_at(file, offsetof(struct file, struck));
    bool sound = at <= put && put - at <= NOTES_RING;
    char *record = mem_zero(NOTES_RING);
    while (sound && at < put) {
        uint32_t frame[2] = { 0 };
        uint64_t left = put - at;
        if (left >= FRAME)
            ring_read(ring, at, frame, FRAME);
        sound = left >= FRAME && frame[0] <= left - FRAME;
        if (!sound)
            break;
        ring_read(ring, at + FRAME, record, frame[0]);
        sound = checksum_extend(0, record, frame[0]) == frame[1];
        if (sound)
            fn(arg, (struct slice){ record, frame[0] });
        at += FRAME + frame[0];
    }
    free(record);
    return sound;
}

static int is_notes(const struct dirent *entry)
{
    return strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0;
}

/* Each file's path and epoch, by epoch: names sort so. */
static void for_files(const char *dir, void (*fn)(void *arg, const char *path, uint32_t epoch),
                      void *arg)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_notes, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        char *path = path_in(dir, name);
        fn(arg, path, (uint32_t)strtoul(name + sizeof PREFIX - 1, NULL, 16));
        free(path);
        free(names[i]);
    }
    free(names);
}

struct walk {
    uint32_t since;
    notes_fn *fn;
    void *arg;
};

static void walk_file(void *arg, const char *path, uint32_t epoch)
{
    const struct walk *walk = arg;
    struct file *file = mem_zero(sizeof *file);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, file, sizeof *file) : -1;
    (void)epoch; /* what counts is in the file */
    if (fd >= 0)
        close(fd);
    if (n == (ssize_t)sizeof *file && file->epoch >= walk->since)
        (void)notes_walk((struct slice){ (const char *)file, sizeof *file }, walk->fn, walk->arg);
    free(file);
}

void notes_each(const char *dir, uint32_t since, notes_fn *fn, void *arg)
{
    struct walk walk = { since, fn, arg };
    for_files(dir, walk_file, &walk);
}

static void remove_file(void *before, const char *path, uint32_t epoch)
{
    if (epoch < *(uint32_t *)before)
        (void)unlink(path);
}

void notes_remove(const char *dir, uint32_t before)
{
    for_files(dir, remove_file, &before);
}

static void note_newest(void *arg, const char *path, uint32_t epoch)
{
    (void)path;
    *(uint32_t *)arg = epoch;
}

uint32_t notes_newest(const char *dir)
{
    uint32_t newest = 0;
    for_files(dir, note_newest, &newest);
    return newest;
}
