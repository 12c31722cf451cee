#include "policies/reply.h"

#include "policies/compiled.h"

void replies_compile(struct policies *p, struct conf_errors *errors)
{
    const struct conf_rules *r = &p->conf->rules;
    p->replies = arena_alloc(p->arena, (r->replies.n + 1) * sizeof *p->replies);
    for (size_t i = 0; i < r->replies.n; i++) {
        p->replies[i].when = when_compile(p->arena, &r->replies.at[i].when, errors);
        p->replies[i].name = arena_printf(p->arena, "replies[%zu]", i);
    }
}

struct reply_choice policies_reply(const struct policies *p, const struct facts *facts)
{
    const struct conf_rules *r = &p->conf->rules;
    struct facts f = *facts;
    f.final = true;
    for (size_t i = 0; i < r->replies.n; i++) {
        if (when_answer(p->replies[i].when, &f) == ANSWER_YES)
            return (struct reply_choice){ p->replies[i].name,
                                          (enum reply_class)r->replies.at[i].class };
    }
    return (struct reply_choice){ NULL, REPLY_NONE };
}
