"""verifiers (and prime-rl, whose environments these are): a task with the witness as its reward."""

from __future__ import annotations

from typing import Any

from dftspark.tuning.adapters import opened


def task_class(target: str, *, embedder: str | None = None) -> Any:
    """Returns a class of tasks whose reward is the witness of the last reply; a taskset makes one
    of each prompt, as `task_class(TARGET)(vf.TaskData(prompt=PROMPT))`."""
    import verifiers.v1 as vf

    reward = opened(target, embedder)

    class WitnessTask(vf.Task[vf.TaskData]):  # type: ignore[misc,name-defined,unused-ignore]
        @vf.reward(weight=1.0)  # type: ignore[untyped-decorator,unused-ignore]
        async def witness(self, trace: Any) -> float:
            return float(reward.score([trace.last_reply])[0])

    return WitnessTask
