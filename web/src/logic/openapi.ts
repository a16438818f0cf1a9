// The API's document as the reference shows it: operations by tag, schemas as a line or as their fields. Pure; reads only what the
// server's own document says, and is no general reader of OpenAPI.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  default?: unknown;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  pattern?: string;
  example?: unknown;
}

export interface Parameter {
  name: string;
  in: string;
  description?: string;
  required?: boolean;
  schema: Schema;
}

type Content = Record<string, { schema?: Schema }>;

export interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: { content: Content; required?: boolean; description?: string };
  responses: Record<string, { description: string; content?: Content }>;
}

export interface Server {
  url: string;
  description?: string;
  variables?: Record<string, { default: string; description?: string }>;
}

export interface Document {
  servers: Server[];
  info: { description?: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Shown extends Operation {
  method: string;
  path: string;
}

const METHODS = ["get", "head", "put", "post", "patch", "delete"];

/** In the document's order, by their first tag. */
export function operationsOf(document: Document): [tag: string, operations: Shown[]][] {
  const tags = new Map<string, Shown[]>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      const tag = operation.tags?.[0] ?? "other";
      tags.set(tag, [...(tags.get(tag) ?? []), { ...operation, method, path }]);
    }
  }
  return [...tags];
}

export const nameOf = (ref: string) => ref.slice(ref.lastIndexOf("/") + 1);

/** The schema a value names, through lists and what may be null. */
export function refOf(schema: Schema | undefined): string | null {
  if (!schema) return null;
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.items) return refOf(schema.items);
  if (typeof schema.additionalProperties === "object") return refOf(schema.additionalProperties);
  const named = [...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])].map(refOf).filter((ref) => ref !== null);
  return named.length === 1 ? (named[0] ?? null) : null;
}

/** As one line: "string, at most 63 characters", "list of Function". */
export function typeOf(schema: Schema): string {
  if (schema.$ref) return nameOf(schema.$ref);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map(typeOf).join(" or ");
  if (schema.allOf) return schema.allOf.map(typeOf).join(" and ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
  const types = [schema.type ?? "anything"].flat();
  return types.map((type) => one(type, schema)).join(" or ");
}

function one(type: string, schema: Schema): string {
  if (type === "array") return `list of ${schema.items ? typeOf(schema.items) : "anything"}`;
  if (type === "object" && typeof schema.additionalProperties === "object") return `map of ${typeOf(schema.additionalProperties)}`;
  const bounds = [
    schema.minimum === undefined ? "" : `from ${schema.minimum}`,
    schema.maximum === undefined ? "" : `to ${schema.maximum}`,
    schema.maxLength === undefined ? "" : `at most ${schema.maxLength} characters`,
  ].filter(Boolean);
  const format = schema.format && !/^u?int\d+$|^double$/.test(schema.format) ? ` (${schema.format})` : "";
  return type === "null" ? type : `${type}${format}${bounds.length > 0 ? `, ${bounds.join(" ")}` : ""}`;
}
