/*
 * tests/unit/test_spool_killed — kill -9 while a flush is under way or the disk refuses: what the
 * spool was told of delivered mail is known afterwards
 *
 *   The disk does not come back from a sync, so that what is told to the spool
 *   meanwhile surely waits behind it when the process dies.
 */
#include "tests/unit/disk_faults_rig.h"

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/folder.h"
#include "gateway/io/seal.h"
#include "gateway/mail/body.h"
#include "gateway/spool/notes.h"

enum { MANY = 40, LATER_TRY = 7, STALL_MS = 20 };

static size_t count_notes(const struct rig *rig)
{
    char *pattern = path_in(rig->scratch_dir, "notes-*");
    glob_t found = { .gl_pathc = 0 };
    size_t n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    free(pattern);
    return n;
}

/* ---- a process that is killed ---- */

struct mail_id {
    struct spool_id id;
    uint64_t fence;
};

struct child {
    struct rig *rig;
    int pipe;
};

static void tell(const struct child *child, const struct mail_id *mail, size_t n)
{
    if (write(child->pipe, mail, n * sizeof(*mail)) != (ssize_t)(n * sizeof(*mail)))
        _exit(2);
}

/* Runs `act` in a process, reads what it tells, and kills it. */
static void kill_after(struct rig *rig, void (*act)(struct child *child), struct mail_id *mail_r,
                       size_t n)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct child child = { rig, fds[1] };
        act(&child);
        pause();
        _exit(3);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], mail_r, n * sizeof(*mail_r)), n * sizeof(*mail_r));
    assert_int_equal(kill(pid, SIGKILL), 0);
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void commit_some(struct rig *rig, struct mail_id *mail, size_t n, unsigned items)
{
    for (size_t i = 0; i < n; i++) {
        mail[i].id = spool_new_id(rig->port);
        if (rig_try_commit(rig, mail[i].id, SLICE_LIT("text"), items, &mail[i].fence) != SPOOL_OK)
            _exit(4);
    }
}

/* From now on the committer is in a sync that does not end. */
static void stall(struct rig *rig)
{
    static struct rig_answer never;
    struct spool_id id = spool_new_id(rig->port);
    struct spool_item item = rig_item(id, 0, "d");
    struct body *body = body_new(0);
    body_append(body, SLICE_LIT("on its way"));
    fault_on(FAULT_STALL, 0);
    spool_commit(rig->port, id, body, &item, 1, rig_answered, &never);
    body_unref(&body);
    while (atomic_load(&hits) == 0)
        usleep(1000);
}

static struct spool_op op_of(enum spool_op_kind kind, const struct mail_id *mail, uint16_t sub,
                             uint16_t count)
{
    struct spool_op op = { .kind = kind, .item = rig_item(mail->id, sub, "d") };
    op.item.count = count;
    op.item.fence = mail->fence;
    op.item.attempts = LATER_TRY;
    return op;
}

static void apply(struct rig *rig, struct spool_op op)
{
    spool_apply(rig->port, &op, 1, NULL, NULL);
}

/* Of three messages each: ended, deferred, deferred and then ended. */
static void tell_of_many(struct rig *rig, const struct mail_id *mail)
{
    for (size_t i = 0; i < MANY; i++) {
        if (i % 3 != 0)
            apply(rig, op_of(SPOOL_DEFER, &mail[i], 0, 1));
        if (i % 3 != 1)
            apply(rig, op_of(SPOOL_DONE, &mail[i], 0, 1));
    }
}

static void assert_many(struct rig *rig, const struct mail_id *mail)
{
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.rc, SPOOL_OK);
    for (size_t i = 0; i < MANY; i++) {
        enum spool_rc rc;
        const struct spool_item *item = rig_find(&all, mail[i].id, 0);
        assert_int_equal(item != NULL, i % 3 == 1);
        if (item)
            assert_int_equal(item->attempts, LATER_TRY);
        free(rig_load(rig, mail[i].id, &rc));
        assert_int_equal(rc, i % 3 == 1 ? SPOOL_OK : SPOOL_NOT_FOUND);
    }
    rig_items_free(&all);
}

static void told_behind_a_flush(struct child *child)
{
    static struct mail_id mail[MANY];
    rig_open(child->rig);
    commit_some(child->rig, mail, MANY, 1);
    stall(child->rig);
    tell_of_many(child->rig, mail);
    tell(child, mail, MANY);
}

static void what_waits_behind_a_flush_is_known(void **state)
{
    struct rig *rig = *state;
    struct mail_id mail[MANY];
    kill_after(rig, told_behind_a_flush, mail, MANY);
    assert_int_equal(count_notes(rig), 1);
    rig_open(rig);
    assert_many(rig, mail);
    rig_close(rig);
    assert_int_equal(count_notes(rig), 0);
}

static void sealed_mail_as_well(void **state)
{
    static const unsigned char key[SEAL_KEY] = "a key of thirty-two bytes, no ..";
    struct rig *rig = *state;
    rig->conf.key = key;
    what_waits_behind_a_flush_is_known(state);
}

static void told_to_a_disk_that_refuses(struct child *child)
{
    static struct mail_id mail[MANY];
    rig_open(child->rig);
    commit_some(child->rig, mail, MANY, 1);
    fault_on(FAULT_WRITE, ENOSPC);
    if (rig_try_commit(child->rig, spool_new_id(child->rig->port), SLICE_LIT("x"), 1, NULL) !=
        SPOOL_UNKNOWN)
        _exit(5);
    tell_of_many(child->rig, mail);
    rig_turns(child->rig, 600); /* one try to recover, in vain */
    tell(child, mail, MANY);
}

static void what_is_held_is_known(void **state)
{
    struct rig *rig = *state;
    struct mail_id mail[MANY];
    kill_after(rig, told_to_a_disk_that_refuses, mail, MANY);
    rig_open(rig);
    assert_many(rig, mail);
}

static void *tell_of_the_stall(void *arg)
{
    while (atomic_load(&hits) == 0)
        usleep(1000);
    tell(arg, &(struct mail_id){ .fence = 0 }, 1);
    return NULL;
}

/* It never comes back from the sync of what it found noted. */
static void open_and_stall(struct child *child)
{
    pthread_t thread;
    fault_on(FAULT_STALL, 0);
    if (pthread_create(&thread, NULL, tell_of_the_stall, child) == 0)
        rig_open(child->rig);
}

static void killed_while_it_writes_the_notes(void **state)
{
    struct rig *rig = *state;
    struct mail_id mail[MANY], nothing;
    kill_after(rig, told_behind_a_flush, mail, MANY);
    kill_after(rig, open_and_stall, &nothing, 1);
    rig_open(rig);
    assert_many(rig, mail);
}

static void some_items_told(struct child *child)
{
    static struct mail_id mail[2];
    rig_open(child->rig);
    commit_some(child->rig, mail, 2, 3);
    apply(child->rig, op_of(SPOOL_DONE, &mail[0], 1, 3)); /* the log may have this one */
    rig_turns(child->rig, STALL_MS);
    stall(child->rig);
    apply(child->rig, op_of(SPOOL_DONE, &mail[0], 0, 3));
    for (uint16_t sub = 0; sub < 3; sub++)
        apply(child->rig, op_of(SPOOL_DONE, &mail[1], sub, 3));
    tell(child, mail, 2);
}

static void the_body_goes_with_the_last_item(void **state)
{
    struct rig *rig = *state;
    struct mail_id mail[2];
    enum spool_rc rc;
    kill_after(rig, some_items_told, mail, 2);
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 10);
    assert_int_equal(all.count, 1 + 1); /* and what was on its way */
    assert_non_null(rig_find(&all, mail[0].id, 2));
    free(rig_load(rig, mail[0].id, &rc));
    assert_int_equal(rc, SPOOL_OK);
    assert_null(rig_load(rig, mail[1].id, &rc));
    for (unsigned i = 0; i < all.count; i++)
        assert_int_equal(rig_done(rig, &all.items[i]), SPOOL_OK);
    rig_items_free(&all);
    assert_null(rig_load(rig, mail[0].id, &rc));
}

static void bounce_told(struct child *child)
{
    static struct mail_id mail[2];
    rig_open(child->rig);
    commit_some(child->rig, mail, 1, 1);
    mail[1].id = spool_new_id(child->rig->port);
    struct body *body = body_new(0);
    body_append(body, SLICE_LIT("bounce"));
    struct spool_item added = rig_item(mail[1].id, 0, "s");
    static struct rig_answer never;
    struct spool_op ops[] = {
        op_of(SPOOL_DONE, &mail[0], 0, 1),
        { .kind = SPOOL_ADD, .item = added, .add_body = body, .add_items = &added, .add_count = 1 },
    };
    stall(child->rig);
    spool_apply(child->rig->port, ops, 2, rig_answered, &never);
    tell(child, mail, 2);
}

/* Else a message would have failed, and nobody would be told. */
static void a_bounce_comes_with_its_end_or_neither(void **state)
{
    struct rig *rig = *state;
    struct mail_id mail[2];
    kill_after(rig, bounce_told, mail, 2);
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 10);
    assert_true(!rig_find(&all, mail[0].id, 0) == !!rig_find(&all, mail[1].id, 0));
    rig_items_free(&all);
}

/* ---- notes that are not to be had, or not to be used ---- */

/* Of the first port of a spool that is opened for the first time. */
static char *first_note(const struct rig *rig)
{
    return path_in(rig->scratch_dir, "notes-00000001-0000");
}

/* Of an earlier life of the spool: the store knows better. */
static void old_notes_are_not_read(void **state)
{
    struct rig *rig = *state;
    struct mail_id mail[MANY];
    kill_after(rig, told_behind_a_flush, mail, MANY);
    char *path = first_note(rig), *saved = path_in(rig->scratch_dir, "saved");
    assert_int_equal(link(path, saved), 0);
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 100);
    struct spool_op op = { .kind = SPOOL_DEFER, .item = *rig_find(&all, mail[1].id, 0) };
    op.item.attempts++;
    assert_int_equal(rig_apply(rig, &op, 1), SPOOL_OK);
    rig_items_free(&all);
    rig_close(rig);
    assert_int_equal(rename(saved, path), 0);
    rig_open(rig);
    assert_int_equal(count_notes(rig), 1); /* of this process */
    all = rig_scan(rig, 100);
    assert_int_equal(rig_find(&all, mail[1].id, 0)->attempts, LATER_TRY + 1);
    assert_int_equal(rig_find(&all, mail[4].id, 0)->attempts, LATER_TRY);
    rig_items_free(&all);
    free(saved);
    free(path);
}

/* Up to the damage all is as it was told; behind it mail is delivered again, and no more. */
static void damaged_notes_do_no_harm(void **state)
{
    struct rig *rig = *state;
    struct mail_id mail[MANY];
    kill_after(rig, told_behind_a_flush, mail, MANY);
    char *path = first_note(rig);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, NOTES_HEADER + 600), 6);
    close(fd);
    rig_open(rig);
    struct rig_items all = rig_scan(rig, 100);
    assert_null(rig_find(&all, mail[0].id, 0));
    assert_non_null(rig_find(&all, mail[MANY - 1].id, 0));
    for (unsigned i = 0; i < all.count; i++) {
        enum spool_rc rc;
        free(rig_load(rig, all.items[i].id, &rc));
        assert_int_equal(rc, SPOOL_OK);
    }
    rig_items_free(&all);
    free(path);
}

static void without_notes_it_works_as_well(void **state)
{
    struct rig *rig = *state;
    rig->conf.scratch_dir = NULL;
    rig_open(rig);
    struct mail_id mail;
    commit_some(rig, &mail, 1, 1);
    struct spool_op op = op_of(SPOOL_DONE, &mail, 0, 1);
    assert_int_equal(rig_apply(rig, &op, 1), SPOOL_OK);
    assert_int_equal(count_notes(rig), 0);
    struct rig_items all = rig_restart(rig);
    assert_int_equal(all.count, 0);
    rig_items_free(&all);
}

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_waits_behind_a_flush_is_known),
        RIG_TEST(sealed_mail_as_well),
        RIG_TEST(what_is_held_is_known),
        RIG_TEST(killed_while_it_writes_the_notes),
        RIG_TEST(the_body_goes_with_the_last_item),
        RIG_TEST(a_bounce_comes_with_its_end_or_neither),
        RIG_TEST(old_notes_are_not_read),
        RIG_TEST(damaged_notes_do_no_harm),
        RIG_TEST(without_notes_it_works_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
