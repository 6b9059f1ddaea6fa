/** Requests that give the names which objects inherit wherever a name may stand. */
import type { World } from "../decision/world.js";
import { codeIn, numbers } from "./threat.js";

const INHERITED = ["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty", "__defineGetter__"];

const canary = (): string =>
  JSON.stringify([Object, Array, Map, Function].map(({ prototype }) => Reflect.ownKeys(prototype as object).map(String)));

/**
 * Whether any of them changed what everything inherits.
 * @param progress told how many have been asked, now and then
 */
export async function namesReachPrototypes(
  world: World,
  requests: number,
  progress: (asked: number) => void = () => undefined,
): Promise<boolean> {
  const before = canary();
  const below = numbers(5);
  for (let asked = 0; asked < requests; asked++) {
    if (asked % 10_000 === 0) progress(asked);
    try {
      await world.decider.decide(Buffer.from(requestText(below)), "Bearer x");
    } catch (error) {
      if (codeIn(error) === "internal") throw error;
    }
    world.records.length = 0;
  }
  const changed = canary() !== before;
  // What a counter-test brings in must not outlive it.
  Reflect.deleteProperty(Object.prototype, "polluted");
  return changed;
}

function requestText(below: (bound: number) => number): string {
  const name = (): string => INHERITED[below(INHERITED.length)] ?? "";
  const value = (): unknown => [true, 1, "polluted", { polluted: true }, [1], null][below(6)];
  const object = (): string => `{"${name()}":${JSON.stringify(value())},"${name()}_":{"${name()}":{"polluted":true}}}`;
  const resource = `{"type":"${below(2) === 0 ? "invoice" : name()}","id":"${name()}","attributes":${object()}}`;
  const fields: Record<string, string> = {
    agent: `"${below(2) === 0 ? "support-7" : name()}"`,
    purpose: '"support"',
    task: `"T-1"`,
    verb: `"${below(2) === 0 ? "read" : name()}"`,
    resource,
    arguments: object(),
    related: object(),
  };
  if (below(3) === 0) fields[name()] = object();
  return `{${Object.entries(fields)
    .map(([key, text]) => `"${key}":${text}`)
    .join(",")}}`;
}
