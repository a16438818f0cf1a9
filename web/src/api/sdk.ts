export type { GatelessFunction, ApplyRequest } from "@gateless/sdk/types.ts";
export * from "@gateless/sdk/generated/index.ts";
import type { Condition, Warning } from "@gateless/sdk/generated/index.ts";
type Opt = any;
const call = (method: string, url: string) => (o: Opt): Promise<any> =>
  o.client[method]({ url, responseStyle: "data", ...o, headers: { "Content-Type": "application/json", ...o.headers } });
export type TriggerSpec = { kind: "cron" | "cloudevents" | "queue"; function: string; cron?: { schedule: string; timezone?: string; body?: string; content_type?: string; catch_up?: "none" | "last"; catch_up_window_ms?: number }; cloudevents?: { attributes?: Record<string, string> }; queue?: { topic: string }; method?: string; path?: string; headers?: Record<string, string>; paused?: boolean };
export type Trigger = { namespace: string; name: string; uid: string; version: number; created_at: string; updated_at: string; spec: TriggerSpec; status: { ready: boolean; conditions: Condition[]; owner: string | null; next_fire_at: string | null; last_fired_at: string | null; last_error: string | null; last_error_at: string | null; delivered: number; failed: number; missed: number }; warnings: Warning[] };
export type TriggerList = { items: Trigger[]; warnings: Warning[] };
export const listTriggers = call("get", "/v1/namespaces/{namespace}/triggers") as (o: Opt) => Promise<TriggerList>;
export const getTrigger = call("get", "/v1/namespaces/{namespace}/triggers/{name}") as (o: Opt) => Promise<Trigger>;
export const putTrigger = call("put", "/v1/namespaces/{namespace}/triggers/{name}") as (o: Opt) => Promise<Trigger>;
export const deleteTrigger = call("delete", "/v1/namespaces/{namespace}/triggers/{name}");
