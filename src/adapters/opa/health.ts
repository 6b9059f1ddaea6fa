/** OPA's health API: what is wanted to be in order, by parameters; `live` and `ready` as if rules of the bundle. */
import { clip } from "../../contract/index.js";
import { isSet, readParameters } from "./target.js";

export interface State {
  bundle: boolean;
  facts: boolean;
  log: boolean;
  accepting: boolean;
}

/** Parts of the state by OPA's name, if OPA has one. */
const PLUGINS: Readonly<Record<string, keyof State>> = { bundle: "bundle", decision_logs: "log", facts: "facts" };

/**
 * @returns why it isn't healthy, in OPA's words; null: it is
 * @throws Problem `parameter_invalid`
 */
export function healthOf(query: string, state: State, bundleName: string): string | null {
  const given = readParameters(query);
  if ((isSet(given, "bundles") || isSet(given, "bundle")) && !state.bundle) return `one or more bundles are not activated: ${bundleName}`;
  if (!isSet(given, "plugins")) return null;
  const excluded = new Set(given.get("exclude-plugin"));
  const isUp = Object.entries(PLUGINS).every(([name, part]) => state[part] || excluded.has(name));
  return isUp ? null : "one or more plugins are not up";
}

const RULES: Readonly<Record<string, (state: State) => boolean>> = {
  live: () => true,
  ready: (state) => Object.values(state).every(Boolean),
};

/** @param rule of `/health/{rule}` */
export function healthRule(rule: string, state: State): string | null {
  const reference = `data.system.health.${clip(rule.replaceAll("/", "."), 128)}`;
  if (!Object.hasOwn(RULES, rule)) return `health check (${reference}) was undefined`;
  return RULES[rule]?.(state) === true ? null : `health check (${reference}) returned unexpected value`;
}
