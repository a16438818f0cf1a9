// Names for generated types that would shadow JavaScript's own.

export type { ApplyRequest, _Function as GatelessFunction, LogLine, StreamLogsData } from "./generated/types.gen.js";
