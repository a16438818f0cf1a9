from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..models.catch_up import CatchUp, check_catch_up
from ..models.overlap import Overlap, check_overlap
from ..types import UNSET, Unset

T = TypeVar("T", bound="CronTrigger")


@_attrs_define
class CronTrigger:
    """A schedule, and the body of its calls.

    Attributes:
        schedule (str): Five fields (minute, hour, day of month, month, day of week), or six with seconds first.
            Example: */15 * * * *.
        body (str | Unset): At most 64 KiB. Default: ''.
        catch_up (CatchUp | Unset): What of times that were missed.
        catch_up_window_ms (int | Unset): With `last`: how long ago, in milliseconds, a missed time may be and still be
            made up for;
            1000 to 2592000000 (30 days). Default: 86400000.
        content_type (str | Unset): The body's `content-type`.
        overlap (Overlap | Unset): What of a time that comes while the call of the one before is not over: neither done
            nor a dead letter.
        timezone (str | Unset): IANA name of the time zone the schedule is of. Default: 'UTC'. Example: Europe/Berlin.
    """

    schedule: str
    body: str | Unset = ""
    catch_up: CatchUp | Unset = UNSET
    catch_up_window_ms: int | Unset = 86400000
    content_type: str | Unset = UNSET
    overlap: Overlap | Unset = UNSET
    timezone: str | Unset = "UTC"

    def to_dict(self) -> dict[str, Any]:
        schedule = self.schedule

        body = self.body

        catch_up: str | Unset = UNSET
        if not isinstance(self.catch_up, Unset):
            catch_up = self.catch_up

        catch_up_window_ms = self.catch_up_window_ms

        content_type = self.content_type

        overlap: str | Unset = UNSET
        if not isinstance(self.overlap, Unset):
            overlap = self.overlap

        timezone = self.timezone

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "schedule": schedule,
            }
        )
        if body is not UNSET:
            field_dict["body"] = body
        if catch_up is not UNSET:
            field_dict["catch_up"] = catch_up
        if catch_up_window_ms is not UNSET:
            field_dict["catch_up_window_ms"] = catch_up_window_ms
        if content_type is not UNSET:
            field_dict["content_type"] = content_type
        if overlap is not UNSET:
            field_dict["overlap"] = overlap
        if timezone is not UNSET:
            field_dict["timezone"] = timezone

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        schedule = d.pop("schedule")

        body = d.pop("body", UNSET)

        _catch_up = d.pop("catch_up", UNSET)
        catch_up: CatchUp | Unset
        if isinstance(_catch_up, Unset):
            catch_up = UNSET
        else:
            catch_up = check_catch_up(_catch_up)

        catch_up_window_ms = d.pop("catch_up_window_ms", UNSET)

        content_type = d.pop("content_type", UNSET)

        _overlap = d.pop("overlap", UNSET)
        overlap: Overlap | Unset
        if isinstance(_overlap, Unset):
            overlap = UNSET
        else:
            overlap = check_overlap(_overlap)

        timezone = d.pop("timezone", UNSET)

        cron_trigger = cls(
            schedule=schedule,
            body=body,
            catch_up=catch_up,
            catch_up_window_ms=catch_up_window_ms,
            content_type=content_type,
            overlap=overlap,
            timezone=timezone,
        )

        return cron_trigger
