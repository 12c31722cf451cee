#include "probes/observation.h"

int observation_is_path_failure(const struct observation *o)
{
    return o->result == OBS_REFUSED || o->result == OBS_TIMEOUT || o->result == OBS_UNREACHABLE ||
           o->result == OBS_RESET || o->result == OBS_BROKEN;
}

int observation_is_egress_fault(const struct observation *o)
{
    return o->result == OBS_UNPLUMBED || o->result == OBS_PROXY_DOWN;
}
