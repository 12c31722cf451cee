/*
 * probes/links_wire.c — which fields of the records are kept
 */
#include "probes/links_wire.h"

#define C(type, field, max)                                                                        \
    {                                                                                              \
        offsetof(struct cell, field), type, max                                                    \
    }
static const struct field cell_rows[] = {
    C(FIELD_F64, est.rtt_ms, 0),
    C(FIELD_F64, est.var_ms, 0),
    C(FIELD_F64, est.recent[0], 0),
    C(FIELD_F64, est.recent[1], 0),
    C(FIELD_F64, est.recent[2], 0),
    C(FIELD_F64, est.ph_up, 0),
    C(FIELD_F64, est.ph_down, 0),
    C(FIELD_AGE, est.rtt_at_ms, 0),
    C(FIELD_U32, est.rtt_n, 0),
    C(FIELD_U32, est.rtt_all, 0),
    C(FIELD_F64, est.min_ms[0], 0),
    C(FIELD_F64, est.min_ms[1], 0),
    C(FIELD_AGE, est.min_at_ms, 0),
    C(FIELD_F64, est.loss.hits, 0),
    C(FIELD_F64, est.loss.all, 0),
    C(FIELD_AGE, est.loss.at_ms, 0),
    C(FIELD_F64, est.session.hits, 0),
    C(FIELD_F64, est.session.all, 0),
    C(FIELD_AGE, est.session.at_ms, 0),
    C(FIELD_F64, est.samples.hits, 0),
    C(FIELD_F64, est.samples.all, 0),
    C(FIELD_AGE, est.samples.at_ms, 0),
    C(FIELD_F64, est.worse.score, 0),
    C(FIELD_F64, est.worse.hits, 0),
    C(FIELD_F64, est.worse.all, 0),
    C(FIELD_F64, est.better.score, 0),
    C(FIELD_F64, est.better.hits, 0),
    C(FIELD_F64, est.better.all, 0),
    C(FIELD_AGE, est.loss_step_ms, 0),
    C(FIELD_AGE, est.slower_ms, 0),
    C(FIELD_AGE, est.transfer_at_ms, 0),
    C(FIELD_U8, path.state, PATH_DOWN),
    C(FIELD_AGE, path.suspect_ms, 0),
    C(FIELD_AGE, path.fail_start_ms, 0),
    C(FIELD_AGE, path.fail_end_ms, 0),
    C(FIELD_AGE, path.ok_start_ms, 0),
    C(FIELD_AGE, path.ok_end_ms, 0),
    C(FIELD_AGE, path.down_ms, 0),
    C(FIELD_AGE, path.up_ms, 0),
    C(FIELD_U8, path.need, PATH_NEED_MOST),
    C(FIELD_U8, path.ups, PATH_NEED_MOST),
    C(FIELD_AGE, path.alive_ms, 0),
    C(FIELD_AGE, path.ups_ms, 0),
    C(FIELD_SPAN, path.span_ms, PATH_FLAP_MS),
    C(FIELD_BOOL, path.by_egress, 0),
    C(FIELD_U8, blips, PATH_FAILURES),
    C(FIELD_AGE, sample_ms, 0),
    C(FIELD_U8, near, PATH_NEAR | PATH_NEAR_LARGE),
};

static const struct field evidence_rows[] = {
    { offsetof(struct evidence, address), FIELD_U64, 0 },
    { offsetof(struct evidence, start_ms), FIELD_AGE, 0 },
    { offsetof(struct evidence, failed), FIELD_BOOL, 0 },
};

static const struct field slot_rows[] = {
    { offsetof(struct slot, fault), FIELD_U8, EGRESS_PATHS_DOWN },
    { offsetof(struct slot, fault_ms), FIELD_AGE, 0 },
};

static const struct field target_rows[] = {
    { offsetof(struct target, mail_ms), FIELD_AGE, 0 },
    { offsetof(struct target, failing), FIELD_BOOL, 0 },
    { offsetof(struct target, probed_ms), FIELD_AGE, 0 },
    { offsetof(struct target, general), FIELD_BOOL, 0 },
};

static const struct field prefer_rows[] = {
    { offsetof(struct preference, wins), FIELD_U8, UINT8_MAX },
    { offsetof(struct preference, settled), FIELD_BOOL, 0 },
    { offsetof(struct preference, first_ms), FIELD_AGE, 0 },
    { offsetof(struct preference, since_ms), FIELD_AGE, 0 },
    { offsetof(struct preference, evidence_ms), FIELD_AGE, 0 },
};

static const struct field group_rows[] = {
    { offsetof(struct group, greet_ms), FIELD_F64, 0 },
    { offsetof(struct group, final_ms), FIELD_F64, 0 },
    { offsetof(struct group, mail_ms), FIELD_AGE, 0 },
    { offsetof(struct group, rate), FIELD_F64, 0 },
    { offsetof(struct group, rate_ms), FIELD_AGE, 0 },
    { offsetof(struct group, destination_suspect), FIELD_BOOL, 0 },
    { offsetof(struct group, suspect_ms), FIELD_AGE, 0 },
    { offsetof(struct group, fine_ms), FIELD_AGE, 0 },
    { offsetof(struct group, verify_ms), FIELD_AGE, 0 },
};

#define FIELDS(rows)                                                                               \
    {                                                                                              \
        rows, sizeof(rows) / sizeof((rows)[0])                                                     \
    }
const struct fields links_cell_fields = FIELDS(cell_rows);
const struct fields links_evidence_fields = FIELDS(evidence_rows);
const struct fields links_slot_fields = FIELDS(slot_rows);
const struct fields links_target_fields = FIELDS(target_rows);
const struct fields links_prefer_fields = FIELDS(prefer_rows);
const struct fields links_group_fields = FIELDS(group_rows);
