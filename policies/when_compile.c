/*
 * policies/when_compile — from the words of a `when` to its compiled form, with every error
 *
 *   A text that was already wrong as a value comes here empty; it has its error and gets no second.
 */
#include <string.h>

#include "policies/compiled.h"

static void compile_names(struct arena *arena, const struct conf_term *conf, struct term *t,
                          struct conf_errors *errors)
{
    struct patterns p = names_compile(arena, &conf->patterns, errors);
    t->patterns = p.at;
    t->n = p.n;
}

static void compile_domains(struct arena *arena, const struct conf_term *conf, struct term *t,
                            struct conf_errors *errors)
{
    compile_names(arena, conf, t, errors);
    for (size_t i = 0; i < conf->patterns.n; i++) {
        const struct conf_text *text = &conf->patterns.at[i];
        if (text->text.n && memchr(text->text.p, '@', text->text.n))
            conf_error(errors, text->pos, "found \"%s\", expected a domain without \"@\"",
                       text->text.p);
    }
}

/* An address without '@' that no star could stand for matches nothing anybody sends. */
static void compile_addresses(struct arena *arena, const struct conf_term *conf, struct term *t,
                              struct conf_errors *errors)
{
    compile_names(arena, conf, t, errors);
    for (size_t i = 0; i < conf->patterns.n; i++) {
        struct slice s = conf->patterns.at[i].text;
        if (s.n && !memchr(s.p, '@', s.n) && !memchr(s.p, '*', s.n) && !slice_eq_str(s, "<>") &&
            !slice_ieq_str(s, "postmaster"))
            conf_warning(errors, conf->patterns.at[i].pos,
                         "\"%s\" has no \"@\" and matches no address; \"*@%s\" is all of a domain",
                         s.p, s.p);
    }
}

static void compile_clients(struct arena *arena, const struct conf_term *conf, struct term *t,
                            struct conf_errors *errors)
{
    size_t n = conf->patterns.n;
    t->patterns = arena_alloc(arena, n * sizeof *t->patterns);
    t->networks = arena_alloc(arena, n * sizeof *t->networks);
    for (size_t i = 0; i < n; i++) {
        const struct conf_text *text = &conf->patterns.at[i];
        if (text->text.n == 0)
            continue;
        if (network_parse(text->text, &t->networks[t->networks_n]) == RC_OK)
            t->networks_n++;
        else if (memchr(text->text.p, '/', text->text.n))
            conf_error(
                errors, text->pos,
                "found \"%s\", expected the name of a client or a network such as 10.0.0.0/8",
                text->text.p);
        else
            pattern_compile(arena, text->text, &t->patterns[t->n++]);
    }
}

static void compile_sizes(struct arena *arena, const struct conf_term *conf, struct term *t,
                          struct conf_errors *errors)
{
    t->ranges = arena_alloc(arena, conf->patterns.n * sizeof *t->ranges);
    for (size_t i = 0; i < conf->patterns.n; i++) {
        const struct conf_text *text = &conf->patterns.at[i];
        if (text->text.n == 0)
            continue;
        if (size_range_parse(text->text, &t->ranges[t->n]) == RC_OK)
            t->n++;
        else
            conf_error(errors, text->pos,
                       "found \"%s\", expected a size or range such as \">1MiB\" \"<=10KiB\" "
                       "\"1MiB..5MiB\"",
                       text->text.p);
    }
}

static void compile_windows(struct arena *arena, const struct conf_term *conf, struct term *t,
                            struct conf_errors *errors)
{
    t->windows = arena_alloc(arena, conf->patterns.n * sizeof *t->windows);
    for (size_t i = 0; i < conf->patterns.n; i++) {
        const struct conf_text *text = &conf->patterns.at[i];
        if (text->text.n == 0)
            continue;
        if (time_window_parse(text->text, &t->windows[t->n]) == RC_OK)
            t->n++;
        else
            conf_error(errors, text->pos,
                       "found \"%s\", expected a time such as \"08:00-18:00\" "
                       "\"mon-fri 22:00-06:00\" \"sat,sun\"",
                       text->text.p);
    }
}

static void compile_lanes(const struct conf_term *conf, struct term *t, struct conf_errors *errors)
{
    for (size_t i = 0; i < conf->patterns.n; i++) {
        unsigned lane = 0;
        const struct conf_text *text = &conf->patterns.at[i];
        if (text->text.n == 0)
            continue;
        while (lane < LANE_COUNT && !slice_eq_str(text->text, lane_names[lane]))
            lane++;
        if (lane < LANE_COUNT)
            t->lanes |= 1u << lane;
        else
            conf_error(errors, text->pos, "found \"%s\", expected one of urgent high normal bulk",
                       text->text.p);
    }
}

static void compile_term(struct arena *arena, const struct conf_term *conf, struct term *t,
                         struct conf_errors *errors)
{
    *t = (struct term){ .key = conf->key, .header = conf->header };
    switch (conf->key) {
    case WHEN_SENDER:
    case WHEN_RECIPIENT:
        compile_addresses(arena, conf, t, errors);
        break;
    case WHEN_SENDER_DOMAIN:
    case WHEN_RECIPIENT_DOMAIN:
    case WHEN_MX:
        compile_domains(arena, conf, t, errors);
        break;
    case WHEN_CLIENT:
        compile_clients(arena, conf, t, errors);
        break;
    case WHEN_SIZE:
        compile_sizes(arena, conf, t, errors);
        break;
    case WHEN_PRIORITY:
        compile_lanes(conf, t, errors);
        break;
    case WHEN_TIME:
        compile_windows(arena, conf, t, errors);
        break;
    case WHEN_USER:
    case WHEN_HEADER:
    case WHEN_SITE:
    case WHEN_CARRIER:
    case WHEN_REGION:
    case WHEN_PROVIDER:
    case WHEN_EGRESS:
    case WHEN_TEXT:
    case WHEN_KEYS: {
        struct patterns p = patterns_compile(arena, &conf->patterns);
        t->patterns = p.at;
        t->n = p.n;
        break;
    }
    }
    /* A header must be there to match, whatever it says: its "*" is no "always". */
    for (size_t i = 0; t->patterns && conf->key != WHEN_HEADER && i < t->n; i++)
        t->any = t->any || t->patterns[i].kind == PATTERN_ANY;
}

struct when *when_compile(struct arena *arena, const struct conf_when *conf,
                          struct conf_errors *errors)
{
    struct when *w = arena_alloc(arena, sizeof *w);
    w->n = conf->terms.n;
    w->terms = arena_alloc(arena, (w->n + 1) * sizeof *w->terms);
    for (size_t i = 0; i < w->n; i++)
        compile_term(arena, &conf->terms.at[i], &w->terms[i], errors);
    if (conf->negated)
        w->negated = when_compile(arena, conf->negated, errors);
    return w;
}
