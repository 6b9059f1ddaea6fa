/** What a policy's author, or whoever holds the build, writes. */
import { readFileSync } from "node:fs";
import type { Capabilities } from "../../src/bundle/capabilities.js";
import { runOpa } from "../../src/bundle/opa.js";
import { asset } from "../../src/system/paths.js";
import { compiler } from "../build/support.js";
import { policyData, json, wasm } from "../bundle/support.js";
import { saidOf } from "./authors.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";

const RUNAWAYS: readonly [rule: string, said: RegExp][] = [
  ["x := numbers.range(1, 1000000000)", /`numbers\.range` may not be used/],
  ['x := regex.split("(a+)+$", input.request.verb)', /`regex\.split` may not be used/],
  ['x := replace(input.request.verb, "", "b")', /`replace` may not be used/],
  ["x := bits.lsh(1, 1000000000)", /`bits\.lsh` may not be used/],
  ['x := glob.match(input.request.verb, [], "a")', /`glob\.match` may not be used/],
  ['x := regex.match(input.request.verb, "a")', /not a constant/],
  ['x := regex.match($"({input.request.verb})+$", "a")', /not a constant/],
  ['x := regex.find_n(input.request.verb, "a", -1)', /not a constant/],
  ["x := x", /recursive/],
];

threat("D4", "what neither the size of its operands nor fuel bounds is refused when it is built", {
  async check(tree) {
    for (const [rule, said] of RUNAWAYS) {
      const found = await saidOf(tree, rule);
      if (!found.some((message) => said.test(message))) return `${rule}: ${found.join("; ") || "passes"}`;
    }
    return null;
  },
  without: {
    "the list of builtins": [cut.text("bundle/check.js", "checkTypes", '"--capabilities", CAPABILITIES_FILE,', "")],
    "constant patterns": [cut.call("bundle/check.js", "checkPolicySet", "checkConventions", "[]")],
  },
});

/** OPA names so many errors at once. */
const RULES_MAX = 90;

threat("D5", "only builtins that the engine or the host has, in the build and in a module", {
  async check(tree) {
    const list = (text: string): string[] => (JSON.parse(text) as Capabilities).builtins.map(({ name }) => name);
    const allowed = new Set(list(readFileSync(asset("rego", "capabilities.json"), "utf8")));
    const all = list((await runOpa(await compiler(), ["capabilities", "--current"], ".")).stdout);
    const absent = all.filter((name) => !allowed.has(name) && !name.startsWith("internal."));
    if (absent.length < 80) return `only ${absent.length} builtins are absent`;
    for (let at = 0; at < absent.length; at += RULES_MAX) {
      const names = absent.slice(at, at + RULES_MAX);
      const said = new Set(await saidOf(tree, names.map((name, i) => `x${i} := ${name}()`).join("\n\n")));
      const passed = names.find((name) => !said.has(`builtin \`${name}\` may not be used`));
      if (passed !== undefined) return `${passed} may be used`;
    }
    const { PolicyInstance } = await tree("policy/instance.js");
    const metadata = { entrypoint: "remit/decide", abi: "1.3" };
    const load = (module: Buffer): Promise<string> =>
      codeOf(() => new PolicyInstance({ wasm: module, dataText: json(policyData()), metadata }));
    if ((await load(wasm("engine"))) !== "accepted") return "the good module was refused";
    const found = await load(wasm("builtin"));
    return found === "wasm_builtin" ? null : `a module that needs a builtin: ${found}`;
  },
  without: {
    "the list of builtins": [cut.text("bundle/check.js", "checkTypes", '"--capabilities", CAPABILITIES_FILE,', "")],
    "the question to the module": [cut.text("policy/host_builtins.js", "neededBuiltins", "return name;", "continue;")],
  },
});
