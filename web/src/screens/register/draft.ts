// What is being written: the request as plain data, whatever of it is still wrong.

import type { Data } from "../../logic/paths.ts";

export interface Draft {
  name: string;
  labels: Record<string, string>;
  spec: Data;
}
