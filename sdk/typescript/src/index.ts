// What the package offers. The generated operations and types are under `@gateless/sdk/api`.

export { Call, type CallStatus, type ResultOptions } from "./call.js";
export { Gateless, type AsyncOptions, type EventOptions, type InvokeOptions, type Options } from "./client.js";
export { GatelessError, type ProblemDetails } from "./error.js";
export type { Fetch, RetryPolicy } from "./retry.js";
export type { ServerEvent } from "./stream.js";
export type * from "./types.js";
