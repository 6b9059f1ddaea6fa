import type { EnvoyPorts } from "../adapters/envoy/check.js";
import type { EnvoyDeps, HttpDeps } from "./deps.js";

/** Returns the ports of a check, by whichever door the proxy comes. */
export function envoyPorts(
  { ports }: EnvoyDeps,
  { admission, decider, metrics }: Pick<HttpDeps, "admission" | "decider" | "metrics">,
): EnvoyPorts {
  return {
    ...ports,
    decide: async (action, caller, proof) => {
      const decided = await admission.admit(() => decider.decideAction(action, caller, "envoy", proof), caller.id);
      metrics.decided(decided);
      return decided;
    },
  };
}
