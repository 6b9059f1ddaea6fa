/**
 * Inherited names wherever a request may give one, in full: nothing that everything inherits may change, and nothing may
 * fail unexpectedly.
 *
 *   node dist/bench/names.js [--requests 1000000] [--json]
 */
import { parseArgs } from "node:util";
import { decider } from "../src/decision/decide.js";
import { ALLOWED, policyOf, World } from "../test/decision/world.js";
import { namesReachPrototypes } from "../test/threats/names.js";
import { judge } from "./client.js";

const { values } = parseArgs({
  options: { requests: { type: "string", default: "1000000" }, json: { type: "boolean", default: false } },
});
const requests = Number(values.requests);

const world = new World(decider);
world.active = policyOf(() => ALLOWED);
const changed = await namesReachPrototypes(world, requests, (asked) => {
  process.stderr.write(`\r${asked} of ${requests}  `);
});
process.stderr.write("\n");
judge(
  [
    { figure: "requests that give inherited names", found: requests, unit: "", most: null },
    { figure: "prototypes that have changed", found: Number(changed), unit: "", most: 0 },
  ],
  values.json,
);
