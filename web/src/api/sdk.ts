// The generated operations and types under one name, so that nothing else here knows where the SDK's sources lie.

export * from "@gateless/sdk/generated/index.ts";
export type { GatelessFunction, ApplyRequest } from "@gateless/sdk/types.ts";
