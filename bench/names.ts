/**
 * Inherited names wherever a request may give one, in full: nothing that everything inherits may change, and nothing may
 * fail unexpectedly.
 */
import { decider } from "../src/decision/decide.js";
import { ALLOWED, policyOf, World } from "../test/decision/world.js";
import { namesReachPrototypes } from "../test/threats/names.js";
import { judge } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const { requests, json } = readOptions("names", {
  about: "Requests with inherited names, such as `__proto__`, wherever a name may stand.",
  options: { requests: { says: "requests", default: 1_000_000, least: 1 }, json: AS_JSON },
  examples: ["--requests 10000"],
});

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
  json,
);
