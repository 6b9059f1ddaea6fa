/** `behavior: {flag: 60, suspend: never}` → what a purpose does about what is unusual, with what is left unsaid filled in. */
import { BEHAVIOR_CHANNELS, BEHAVIOR_DEFAULTS, BEHAVIOR_STEPS, type BehaviorPolicy, type BehaviorStep } from "../contract/index.js";
import type { Path, Sheet } from "./source.js";

export const CHANNEL_EFFECTS = ["log", "flag"] as const;
export const RISK = { min: 1, max: 100 };
/** Bounds of a channel's weight, which has one digit behind the point. */
export const DECADES = { min: 1, max: 9 };
export const ACTIONS_PER_MINUTE = { min: 1, max: 10_000 };
export const NARROWED_FOR = /^([1-9]\d{0,4})(s|m|h)$/;
const NARROWED_FOR_MS = { min: 10_000, max: 24 * 3_600_000 };
const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 };

/** A step that is reached with or after another one: it must not come before. */
const ORDER: readonly [before: BehaviorStep, after: BehaviorStep][] = [
  ["log", "flag"],
  ["log", "hold"],
  ["log", "narrow"],
  ["flag", "suspend"],
  ["hold", "suspend"],
  ["narrow", "suspend"],
];

/** @param value undefined: nothing is said */
export function compileBehavior(sheet: Sheet, value: unknown, path: Path): BehaviorPolicy {
  if (value === undefined) return BEHAVIOR_DEFAULTS;
  const said = sheet.fields(value, path, "`behavior`", [...BEHAVIOR_STEPS, "channels", "narrowed"]);
  const step = (name: BehaviorStep): number | null =>
    said[name] === undefined ? BEHAVIOR_DEFAULTS[name] : risk(sheet, said[name], [...path, name], name);
  const policy: BehaviorPolicy = {
    log: step("log"),
    flag: step("flag"),
    hold: step("hold"),
    narrow: step("narrow"),
    suspend: step("suspend"),
    channels: channels(sheet, said["channels"], [...path, "channels"]),
    narrowed: narrowed(sheet, said["narrowed"], [...path, "narrowed"]),
  };
  checkOrder(sheet, policy, said, path);
  return policy;
}

function risk(sheet: Sheet, value: unknown, at: Path, name: string): number | null {
  if (value === "never") return null;
  const { min, max } = RISK;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  sheet.error(at, `\`${name}\` must be a risk from ${min} to ${max}, or \`never\``);
  return null;
}

function channels(sheet: Sheet, value: unknown, path: Path): BehaviorPolicy["channels"] {
  const found: BehaviorPolicy["channels"] = {};
  if (value === undefined) return found;
  for (const [name, limit] of sheet.map(value, path, "`channels`")) {
    const at = [...path, name];
    const channel = sheet.oneOf(name, at, "channel", BEHAVIOR_CHANNELS);
    const said = Object.entries(sheet.fields(limit, at, `channel \`${name}\``, CHANNEL_EFFECTS));
    const [[then, from] = []] = said;
    if (said.length !== 1 || then === undefined) {
      sheet.error(at, `channel \`${name}\` must say one of ${CHANNEL_EFFECTS.join(", ")}`, "write {flag: 3}");
    } else if (!isDecades(from)) {
      const { min, max } = DECADES;
      sheet.error(
        [...at, then],
        `\`${then}\` of a channel must be from ${min} to ${max}, with one digit behind the point at most`,
        "3 is what comes once in a thousand",
      );
    } else if (channel !== null) found[channel] = { then: then as "log" | "flag", at: from };
  }
  return found;
}

function isDecades(value: unknown): value is number {
  const { min, max } = DECADES;
  return typeof value === "number" && value >= min && value <= max && Number(value.toFixed(1)) === value;
}

function narrowed(sheet: Sheet, value: unknown, path: Path): BehaviorPolicy["narrowed"] {
  const usual = BEHAVIOR_DEFAULTS.narrowed;
  if (value === undefined) return usual;
  const said = sheet.fields(value, path, "`narrowed`", ["actions_per_minute", "below", "for"]);
  const whole = (name: string, of: number, { min, max }: { min: number; max: number }): number =>
    said[name] === undefined ? of : (sheet.integer(said[name], [...path, name], `\`${name}\``, min, max) ?? of);
  return {
    actions_per_minute: whole("actions_per_minute", usual.actions_per_minute, ACTIONS_PER_MINUTE),
    below: whole("below", usual.below, RISK),
    for_ms: said["for"] === undefined ? usual.for_ms : duration(sheet, said["for"], [...path, "for"]),
  };
}

function duration(sheet: Sheet, value: unknown, at: Path): number {
  const [, amount, unit = ""] = (typeof value === "string" ? NARROWED_FOR.exec(value) : null) ?? [];
  const ms = Number(amount) * (UNIT_MS[unit] ?? NaN);
  if (ms >= NARROWED_FOR_MS.min && ms <= NARROWED_FOR_MS.max) return ms;
  sheet.error(at, "`for` must be from 10s to 24h", "write 90s, 15m or 2h");
  return BEHAVIOR_DEFAULTS.narrowed.for_ms;
}

/** Rejects thresholds that can't be reached together with the defaults of the others. */
function checkOrder(sheet: Sheet, policy: BehaviorPolicy, said: Record<string, unknown>, path: Path): void {
  const words = (name: BehaviorStep): string =>
    `\`${name}\` is ${policy[name] ?? "never"}${said[name] === undefined ? " where nothing is said" : ""}`;
  for (const [before, after] of ORDER) {
    const [low, high] = [policy[before], policy[after]];
    if (low === null || high === null || low <= high) continue;
    const at = said[after] === undefined ? before : after;
    sheet.error([...path, at], `${words(before)} and ${words(after)}: the graver step comes first`);
  }
  const { narrow, narrowed } = policy;
  if (narrow === null) {
    if (said["narrowed"] !== undefined && said["narrow"] === "never")
      sheet.error([...path, "narrowed"], "`narrowed` says what narrowing leaves, and `narrow` is never");
  } else if (narrowed.below >= narrow) {
    const at = said["narrowed"] === undefined ? ["narrow"] : ["narrowed"];
    sheet.error(
      [...path, ...at],
      `narrowing at ${narrow} that ends below ${narrowed.below} would end at once`,
      "`narrowed.below` must be less than `narrow`",
    );
  }
}
