import { Problem } from "../../src/contract/index.js";
import { scan, type ScanLimits } from "../../src/decision/scan.js";

export const WIDE: ScanLimits = { depth_max: 32, members_max: 256 };

/** What became of these bytes: the text, or the problem. Any other error ends the test. */
export function outcome(body: Buffer | string, limits = WIDE): string | Problem {
  try {
    return scan(Buffer.from(body), limits);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

export function walk(value: unknown, visit: (leaf: unknown) => boolean): boolean {
  if (visit(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, member]) => visit(key) || walk(member, visit));
}

export const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
export const hasLoneSurrogate = (value: unknown): boolean => walk(value, (leaf) => typeof leaf === "string" && LONE.test(leaf));
export const hasUnsafeInteger = (value: unknown): boolean => walk(value, (leaf) => Number.isInteger(leaf) && !Number.isSafeInteger(leaf));
