/*
 * tests/unit/disk_faults_rig — a spool on a disk that refuses: what its test programs share
 *
 *   To be included by the program's main file only, as disk_faults.h.
 */
#ifndef WAYPOST_TESTS_UNIT_DISK_FAULTS_RIG_H
#define WAYPOST_TESTS_UNIT_DISK_FAULTS_RIG_H

#include "tests/support/spool_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "tests/unit/disk_faults.h"

/* Not opened yet. */
static int rig_set_up(void **state)
{
    struct rig *rig = mem_zero(sizeof(*rig));
    rig_make(rig);
    log_set_fd(-1); /* what the faults make it say is expected */
    *state = rig;
    return 0;
}

static int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    fault_off();
    rig_remove(rig);
    free(rig);
    return 0;
}

static inline void wait_for_gate(struct rig *rig, enum spool_gate gate)
{
    for (int i = 0; i < 500 && spool_gate(rig->spool) != gate; i++)
        loop_turn(rig->loop, 20);
    assert_int_equal(spool_gate(rig->spool), gate);
}

#endif
