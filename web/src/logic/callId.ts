// What an id of an async call looks like: a UUIDv7 in hex and, after a hyphen, its sidecar, a DNS label. Pure.

const ID = "[0-9a-f]{12}7[0-9a-f]{19}-[0-9a-z](?:[0-9a-z-]{0,61}[0-9a-z])?";

/** Every one in a text. */
export const CALL_IDS = new RegExp(`\\b${ID}\\b`, "g");

const WHOLE = new RegExp(`^${ID}$`);

export function isCallId(text: string): boolean {
  return WHOLE.test(text);
}
