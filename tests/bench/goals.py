"""
goals — what the figures of the benchmark are to be, as data, and whether they are

A goal is about Waypost's figure; `times` makes it a multiple of Postfix's in the same run.
"""
import math
import operator
from dataclasses import dataclass

WORDS = {"at least": operator.ge, "at most": operator.le}


@dataclass(frozen=True)
class Goal:
    """scenario and figure as in the table of a run; figure `words` bound, in its unit."""
    scenario: str
    figure: str
    words: str
    bound: float
    times: bool = False     # bound × what Postfix does

    def text(self):
        return f"{self.words} {self.bound:g}" + (" × Postfix" if self.times else "")


GOALS = (
    Goal("each", "delivered/s", "at least", 8, times=True),
    Goal("kept", "delivered/s", "at least", 20, times=True),
    Goal("pipelined", "delivered/s", "at least", 30, times=True),
    Goal("each", "CPU ms/msg", "at most", 0.18),
    Goal("kept", "CPU ms/msg", "at most", 0.18),
    Goal("steady", "p50 ms", "at most", 4),
    Goal("steady", "p99 ms", "at most", 10),
    Goal("large", "MiB above idle", "at most", 64),
    Goal("restart", "first after s", "at most", 2),
    # the order in which mail leaves
    Goal("urgent", "p99 transactions", "at most", 2.5),
    Goal("urgent", "bulk kept %", "at least", 95),
    Goal("urgent", "lost", "at most", 0),
    Goal("tarpit", "throughput kept %", "at least", 97),
    Goal("tarpit", "p99 grown %", "at most", 10),
    Goal("tarpit", "lost", "at most", 0),
    Goal("limit7", "used %", "at least", 95),
    Goal("limit7", "refused %", "at most", 2),
    Goal("limit7", "lost", "at most", 0),
    Goal("clients", "p99 grown %", "at most", 20),
    Goal("clients", "lost", "at most", 0),
    Goal("flood", "urgent accepted %", "at least", 100),
    Goal("flood", "urgent out %", "at least", 100),
    Goal("flood", "MiB grown", "at most", 16),
    Goal("flood", "lost", "at most", 0),
    # by which address it leaves
    Goal("listed", "by the other after s", "at most", 2),
    Goal("listed", "lost", "at most", 0),
    Goal("listed", "doubled", "at most", 0),
)


@dataclass(frozen=True)
class Verdict:
    """One goal that a run can speak about. `figure`: in the unit of the bound."""
    goal: Goal
    figure: float
    reached: bool


def judge(table):
    """table: scenario → machine → figure → value. A figure that is missing, or no number, misses;
    a scenario that was not run says nothing, nor a multiple of Postfix without Postfix."""
    verdicts = []
    for goal in GOALS:
        machines = table.get(goal.scenario, {})
        if "waypost" not in machines or (goal.times and "postfix" not in machines):
            continue
        figure = machines["waypost"].get(goal.figure, math.nan)
        if goal.times:
            theirs = machines["postfix"].get(goal.figure, math.nan)
            figure = figure / theirs if theirs else math.nan
        verdicts.append(Verdict(goal, figure, WORDS[goal.words](figure, goal.bound)))
    return verdicts


def show(verdicts):
    """The table of what was to be and what is; gives the exit status."""
    print("\n| scenario | figure | goal | is | |\n| --- | --- | --- | --- | --- |")
    for v in verdicts:
        print(f"| {v.goal.scenario} | {v.goal.figure} | {v.goal.text()} | {v.figure:.4g} | "
              f"{'reached' if v.reached else 'missed'} |")
    missed = sum(not v.reached for v in verdicts)
    print(f"\n{len(verdicts) - missed} goals reached, {missed} missed")
    return 1 if missed else 0
