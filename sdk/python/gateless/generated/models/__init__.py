"""Contains all the data models used in inputs/outputs"""

from .apply_request import ApplyRequest
from .apply_request_labels import ApplyRequestLabels
from .artifact import Artifact
from .async_policy import AsyncPolicy
from .attempt import Attempt
from .bundle import Bundle
from .bundle_format import BundleFormat
from .component import Component
from .condition import Condition
from .count import Count
from .created_token import CreatedToken
from .field_error import FieldError
from .function import Function
from .function_labels import FunctionLabels
from .function_list import FunctionList
from .function_status import FunctionStatus
from .health import Health
from .hold import Hold
from .instance import Instance
from .instance_counts import InstanceCounts
from .instance_list import InstanceList
from .invocation import Invocation
from .invocation_list import InvocationList
from .keys_rotated import KeysRotated
from .kind import Kind
from .limits import Limits
from .log_line import LogLine
from .metric import Metric
from .problem import Problem
from .process import Process
from .protocol import Protocol
from .queue import Queue
from .queue_list import QueueList
from .readiness import Readiness
from .readiness_kind import ReadinessKind
from .rejection import Rejection
from .resolved_target import ResolvedTarget
from .retries import Retries
from .revision import Revision
from .revision_list import RevisionList
from .role import Role
from .rollback_request import RollbackRequest
from .scaling import Scaling
from .secret import Secret
from .secret_list import SecretList
from .secret_ref import SecretRef
from .secret_request import SecretRequest
from .secret_request_data import SecretRequestData
from .sidecar import Sidecar
from .sidecar_list import SidecarList
from .spec import Spec
from .spec_env import SpecEnv
from .status import Status
from .target import Target
from .token_info import TokenInfo
from .token_list import TokenList
from .token_request import TokenRequest
from .traffic import Traffic
from .traffic_request import TrafficRequest
from .version import Version
from .visibility import Visibility
from .wait_for_function_condition import WaitForFunctionCondition
from .warning import Warning_
from .wasm import Wasm

__all__ = (
    "ApplyRequest",
    "ApplyRequestLabels",
    "Artifact",
    "AsyncPolicy",
    "Attempt",
    "Bundle",
    "BundleFormat",
    "Component",
    "Condition",
    "Count",
    "CreatedToken",
    "FieldError",
    "Function",
    "FunctionLabels",
    "FunctionList",
    "FunctionStatus",
    "Health",
    "Hold",
    "Instance",
    "InstanceCounts",
    "InstanceList",
    "Invocation",
    "InvocationList",
    "KeysRotated",
    "Kind",
    "Limits",
    "LogLine",
    "Metric",
    "Problem",
    "Process",
    "Protocol",
    "Queue",
    "QueueList",
    "Readiness",
    "ReadinessKind",
    "Rejection",
    "ResolvedTarget",
    "Retries",
    "Revision",
    "RevisionList",
    "Role",
    "RollbackRequest",
    "Scaling",
    "Secret",
    "SecretList",
    "SecretRef",
    "SecretRequest",
    "SecretRequestData",
    "Sidecar",
    "SidecarList",
    "Spec",
    "SpecEnv",
    "Status",
    "Target",
    "TokenInfo",
    "TokenList",
    "TokenRequest",
    "Traffic",
    "TrafficRequest",
    "Version",
    "Visibility",
    "WaitForFunctionCondition",
    "Warning_",
    "Wasm",
)
