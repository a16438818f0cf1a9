from typing import Literal

WaitForFunctionCondition = Literal["deleted", "ready"]

WAIT_FOR_FUNCTION_CONDITION_VALUES: set[WaitForFunctionCondition] = {
    "deleted",
    "ready",
}


def check_wait_for_function_condition(value: str) -> WaitForFunctionCondition:
    if value in WAIT_FOR_FUNCTION_CONDITION_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WAIT_FOR_FUNCTION_CONDITION_VALUES!r}"
    )
