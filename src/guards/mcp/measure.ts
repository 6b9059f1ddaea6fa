/** Size of what a model wrote, found out without recursion, so that no depth ends the process. */
import type { CallRefusalCode } from "../../mapping/call_refusal.js";

export interface ArgumentBounds {
  arguments_bytes_max: number;
  arguments_depth_max: number;
  arguments_members_max: number;
}

/** Which bound a JSON value goes over, as its refusal; null where it keeps to all. Text counts by its UTF-16 units. */
export function overBounds(value: unknown, bounds: ArgumentBounds): CallRefusalCode | null {
  const { arguments_bytes_max, arguments_depth_max, arguments_members_max } = bounds;
  let bytes = 0;
  let members = 0;
  const open: [value: unknown, depth: number][] = [[value, 1]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [at, depth] = next;
    bytes += typeof at === "string" ? at.length + 2 : 8;
    if (typeof at === "object" && at !== null) {
      if (depth > arguments_depth_max) return "arguments_too_deep";
      for (const [key, member] of Object.entries(at)) {
        bytes += Array.isArray(at) ? 1 : key.length + 4;
        if (++members > arguments_members_max) return "arguments_too_large";
        open.push([member, depth + 1]);
      }
    }
    if (bytes > arguments_bytes_max) return "arguments_too_large";
  }
  return null;
}
