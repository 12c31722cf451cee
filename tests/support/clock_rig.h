/*
 * tests/support/clock_rig — the program's clocks are the test's: ahead of the real ones, or stopped
 *
 *   The linker gives these to whoever asks for the time: a program that includes this is linked
 *   with ${clocks} (tests/CMakeLists.txt).
 */
#ifndef WAYPOST_TESTS_SUPPORT_CLOCK_RIG_H
#define WAYPOST_TESTS_SUPPORT_CLOCK_RIG_H

#include <stdint.h>

int64_t real_mono_us(void) __asm__("__real_clock_mono_us");
int64_t real_wall_ms(void) __asm__("__real_clock_wall_ms");
int64_t rig_mono_us(void) __asm__("__wrap_clock_mono_us");
int64_t rig_mono_ms(void) __asm__("__wrap_clock_mono_ms");
int64_t rig_wall_ms(void) __asm__("__wrap_clock_wall_ms");

static struct {
    int64_t mono_us, wall_ms; /* where they stand; 0: they run */
    int64_t ahead_ms;         /* of that */
} clocks;

int64_t rig_mono_us(void)
{
    return (clocks.mono_us ? clocks.mono_us : real_mono_us()) + clocks.ahead_ms * 1000;
}

int64_t rig_mono_ms(void)
{
    return rig_mono_us() / 1000;
}

int64_t rig_wall_ms(void)
{
    return (clocks.wall_ms ? clocks.wall_ms : real_wall_ms()) + clocks.ahead_ms;
}

static inline void clocks_stop(void)
{
    clocks.mono_us = real_mono_us();
    clocks.wall_ms = real_wall_ms();
}

static inline void clocks_run(void)
{
    clocks.mono_us = clocks.wall_ms = 0;
}

#endif
