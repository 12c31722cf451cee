#include "reputation/hygiene.h"

#include <stdio.h>
#include <string.h>

const char *const hygiene_state_names[] = { "unknown", "ok", "broken", NULL };

static bool has(const struct hygiene_lookup *l, const struct addr *a)
{
    for (size_t i = 0; i < l->n; i++)
        if (addr_same_host(&l->addrs[i], a))
            return true;
    return false;
}

/* "localhost", "localhost.localdomain", "[192.0.2.1]", "192.0.2.1" */
static bool is_nobody(const char *name)
{
    struct slice first, rest;
    struct addr a;
    slice_cut(slice_of(name), '.', &first, &rest);
    return !name[0] || name[0] == '[' || slice_ieq_str(first, "localhost") ||
           addr_parse(slice_of(name), &a) == RC_OK;
}

static enum hygiene_state judge_reverse(const struct hygiene_facts *f, struct hygiene *h,
                                        const char *address)
{
    bool all_known = true;
    snprintf(h->name, sizeof h->name, "%s", f->name_n ? f->names[0] : "");
    if (!f->reverse_answered) {
        snprintf(h->why, sizeof h->why, "no name server tells the name of %s", address);
        return HYGIENE_UNKNOWN;
    }
    for (size_t i = 0; i < f->name_n; i++) {
        all_known = all_known && f->of_name[i].answered;
        if (is_nobody(f->names[i]) || !has(&f->of_name[i], &f->address))
            continue;
        snprintf(h->name, sizeof h->name, "%s", f->names[i]);
        return HYGIENE_OK;
    }
    if (f->name_n == 0)
        snprintf(h->why, sizeof h->why, "%s has no name in the reverse DNS", address);
    else
        snprintf(h->why, sizeof h->why, "the reverse name of %s, %.100s, %s", address, h->name,
                 all_known ? "does not lead back to it" : "cannot be looked up");
    return all_known ? HYGIENE_BROKEN : HYGIENE_UNKNOWN;
}

static enum hygiene_state judge_ehlo(const struct hygiene_facts *f, const char *address, char *why,
                                     size_t room)
{
    if (f->relayed)
        return HYGIENE_OK;
    if (is_nobody(f->ehlo)) {
        snprintf(why, room, "EHLO says \"%.100s\", which is nobody's name", f->ehlo);
        return HYGIENE_BROKEN;
    }
    if (has(&f->of_ehlo, &f->address))
        return HYGIENE_OK;
    snprintf(why, room, "the EHLO name %.100s %s %s", f->ehlo,
             f->of_ehlo.answered ? "does not have the address" : "cannot be looked up for",
             address);
    return f->of_ehlo.answered ? HYGIENE_BROKEN : HYGIENE_UNKNOWN;
}

void hygiene_judge(const struct hygiene_facts *f, struct hygiene *h)
{
    char address[ADDR_TEXT_MAX], ehlo[HYGIENE_WHY_MAX / 2] = "";
    *h = (struct hygiene){ .address = f->address };
    addr_host_text(&f->address, address);
    h->reverse = judge_reverse(f, h, address);
    h->ehlo = judge_ehlo(f, address, ehlo, sizeof ehlo);
    size_t n = strlen(h->why);
    if (ehlo[0])
        snprintf(h->why + n, sizeof h->why - n, "%s%s", n ? "; " : "", ehlo);
}
