#include "gateway/delivery/late.h"

#include "policies/retry.h"

const struct enhanced late_returned = { 5, 4, 7 }, late_delayed = { 4, 4, 7 };

bool late_returns(const struct attempt *a, enum delivery_event_kind event)
{
    return event == EVENT_EXPIRED && item_returns_late(a->item, loop_wall_ms(a->delivery->loop));
}

bool late_is_up(struct enhanced status)
{
    return status.class_ == late_returned.class_ && status.subject == late_returned.subject &&
           status.detail == late_returned.detail;
}

bool late_untold(const struct attempt *a)
{
    return loop_wall_ms(a->delivery->loop) >= item_late_ms(a->item);
}

bool late_notice_due(const struct attempt *a, bool told_before)
{
    const struct item *item = a->item;
    int64_t now = loop_wall_ms(a->delivery->loop);
    return late_untold(a) || retry_notice_due(attempt_retry(a), item_since_ms(item),
                                              item->expire_ms, now, told_before);
}

void late_told(struct attempt *a)
{
    if (late_untold(a))
        a->item->deadline_told = a->env.by.told = true;
    if (late_notice_due(a, false))
        a->item->delay_told = true;
}
