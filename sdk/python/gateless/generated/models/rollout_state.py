from typing import Literal

RolloutState = Literal["failing", "no_traffic", "pending", "serving", "settling"]

ROLLOUT_STATE_VALUES: set[RolloutState] = {
    "failing",
    "no_traffic",
    "pending",
    "serving",
    "settling",
}


def check_rollout_state(value: str) -> RolloutState:
    if value in ROLLOUT_STATE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {ROLLOUT_STATE_VALUES!r}"
    )
