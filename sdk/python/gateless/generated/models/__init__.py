"""Contains all the data models used in inputs/outputs"""

from .accepted_catalogue import AcceptedCatalogue
from .access import Access
from .apply_request import ApplyRequest
from .apply_request_labels import ApplyRequestLabels
from .artifact import Artifact
from .async_policy import AsyncPolicy
from .attempt import Attempt
from .audit_actor import AuditActor
from .audit_chain import AuditChain
from .audit_change import AuditChange
from .audit_entry import AuditEntry
from .audit_list import AuditList
from .audit_verdict import AuditVerdict
from .auth import Auth
from .authority import Authority
from .bulk_failure import BulkFailure
from .bulk_request import BulkRequest
from .bulk_result import BulkResult
from .bundle import Bundle
from .bundle_format import BundleFormat
from .call_phases import CallPhases
from .call_record import CallRecord
from .call_record_list import CallRecordList
from .catalogue import Catalogue
from .catalogue_holder import CatalogueHolder
from .catalogue_state import CatalogueState
from .catch_up import CatchUp
from .cloud_events_trigger import CloudEventsTrigger
from .cloud_events_trigger_attributes import CloudEventsTriggerAttributes
from .component import Component
from .condition import Condition
from .container import Container
from .cors import Cors
from .count import Count
from .created_join_token import CreatedJoinToken
from .created_key import CreatedKey
from .created_token import CreatedToken
from .cron_trigger import CronTrigger
from .current_stats import CurrentStats
from .event import Event
from .field_error import FieldError
from .function import Function
from .function_labels import FunctionLabels
from .function_list import FunctionList
from .function_status import FunctionStatus
from .health import Health
from .hold import Hold
from .identity import Identity
from .instance import Instance
from .instance_counts import InstanceCounts
from .instance_list import InstanceList
from .invocation import Invocation
from .invocation_list import InvocationList
from .invocation_request import InvocationRequest
from .invocation_request_headers import InvocationRequestHeaders
from .invoke_request import InvokeRequest
from .invoke_request_headers import InvokeRequestHeaders
from .invoke_response import InvokeResponse
from .invoke_response_headers import InvokeResponseHeaders
from .join_token import JoinToken
from .join_token_list import JoinTokenList
from .join_token_request import JoinTokenRequest
from .jwt import Jwt
from .jwt_claims import JwtClaims
from .key import Key
from .key_list import KeyList
from .key_request import KeyRequest
from .keys_rotated import KeysRotated
from .kind import Kind
from .limits import Limits
from .liveness import Liveness
from .log_line import LogLine
from .mark import Mark
from .mark_kind import MarkKind
from .metric import Metric
from .namespace_quota import NamespaceQuota
from .overlap import Overlap
from .phase import Phase
from .problem import Problem
from .process import Process
from .protocol import Protocol
from .queue import Queue
from .queue_list import QueueList
from .queue_trigger import QueueTrigger
from .quota import Quota
from .quota_use import QuotaUse
from .readiness import Readiness
from .readiness_kind import ReadinessKind
from .rejection import Rejection
from .replay_request import ReplayRequest
from .resolved_target import ResolvedTarget
from .restore_request import RestoreRequest
from .restored_catalogue import RestoredCatalogue
from .retries import Retries
from .revision import Revision
from .revision_list import RevisionList
from .revision_share import RevisionShare
from .right import Right
from .role import Role
from .rollback_request import RollbackRequest
from .rollout_state import RolloutState
from .rollout_status import RolloutStatus
from .sample import Sample
from .scaling import Scaling
from .scaling_decision import ScalingDecision
from .secret import Secret
from .secret_list import SecretList
from .secret_ref import SecretRef
from .secret_request import SecretRequest
from .secret_request_data import SecretRequestData
from .secrets_key import SecretsKey
from .session import Session
from .session_link import SessionLink
from .session_request import SessionRequest
from .sidecar import Sidecar
from .sidecar_list import SidecarList
from .spec import Spec
from .spec_env import SpecEnv
from .stats import Stats
from .stats_list import StatsList
from .status import Status
from .target import Target
from .timed_decision import TimedDecision
from .timed_sample import TimedSample
from .token_info import TokenInfo
from .token_list import TokenList
from .token_request import TokenRequest
from .traffic import Traffic
from .traffic_request import TrafficRequest
from .trigger import Trigger
from .trigger_kind import TriggerKind
from .trigger_list import TriggerList
from .trigger_request import TriggerRequest
from .trigger_spec import TriggerSpec
from .trigger_spec_headers import TriggerSpecHeaders
from .trigger_status import TriggerStatus
from .version import Version
from .visibility import Visibility
from .wait_for_function_condition import WaitForFunctionCondition
from .warning import Warning_
from .wasm import Wasm
from .wrapping_key import WrappingKey

__all__ = (
    "AcceptedCatalogue",
    "Access",
    "ApplyRequest",
    "ApplyRequestLabels",
    "Artifact",
    "AsyncPolicy",
    "Attempt",
    "AuditActor",
    "AuditChain",
    "AuditChange",
    "AuditEntry",
    "AuditList",
    "AuditVerdict",
    "Auth",
    "Authority",
    "BulkFailure",
    "BulkRequest",
    "BulkResult",
    "Bundle",
    "BundleFormat",
    "CallPhases",
    "CallRecord",
    "CallRecordList",
    "Catalogue",
    "CatalogueHolder",
    "CatalogueState",
    "CatchUp",
    "CloudEventsTrigger",
    "CloudEventsTriggerAttributes",
    "Component",
    "Condition",
    "Container",
    "Cors",
    "Count",
    "CreatedJoinToken",
    "CreatedKey",
    "CreatedToken",
    "CronTrigger",
    "CurrentStats",
    "Event",
    "FieldError",
    "Function",
    "FunctionLabels",
    "FunctionList",
    "FunctionStatus",
    "Health",
    "Hold",
    "Identity",
    "Instance",
    "InstanceCounts",
    "InstanceList",
    "Invocation",
    "InvocationList",
    "InvocationRequest",
    "InvocationRequestHeaders",
    "InvokeRequest",
    "InvokeRequestHeaders",
    "InvokeResponse",
    "InvokeResponseHeaders",
    "JoinToken",
    "JoinTokenList",
    "JoinTokenRequest",
    "Jwt",
    "JwtClaims",
    "Key",
    "KeyList",
    "KeyRequest",
    "KeysRotated",
    "Kind",
    "Limits",
    "Liveness",
    "LogLine",
    "Mark",
    "MarkKind",
    "Metric",
    "NamespaceQuota",
    "Overlap",
    "Phase",
    "Problem",
    "Process",
    "Protocol",
    "Queue",
    "QueueList",
    "QueueTrigger",
    "Quota",
    "QuotaUse",
    "Readiness",
    "ReadinessKind",
    "Rejection",
    "ReplayRequest",
    "ResolvedTarget",
    "RestoreRequest",
    "RestoredCatalogue",
    "Retries",
    "Revision",
    "RevisionList",
    "RevisionShare",
    "Right",
    "Role",
    "RollbackRequest",
    "RolloutState",
    "RolloutStatus",
    "Sample",
    "Scaling",
    "ScalingDecision",
    "Secret",
    "SecretList",
    "SecretRef",
    "SecretRequest",
    "SecretRequestData",
    "SecretsKey",
    "Session",
    "SessionLink",
    "SessionRequest",
    "Sidecar",
    "SidecarList",
    "Spec",
    "SpecEnv",
    "Stats",
    "StatsList",
    "Status",
    "Target",
    "TimedDecision",
    "TimedSample",
    "TokenInfo",
    "TokenList",
    "TokenRequest",
    "Traffic",
    "TrafficRequest",
    "Trigger",
    "TriggerKind",
    "TriggerList",
    "TriggerRequest",
    "TriggerSpec",
    "TriggerSpecHeaders",
    "TriggerStatus",
    "Version",
    "Visibility",
    "WaitForFunctionCondition",
    "Warning_",
    "Wasm",
    "WrappingKey",
)
