/** Checks every Rego file of the project as a build checks those of a policy set: `node dist/scripts/check-rego.js`. */
import { readdir } from "node:fs/promises";
import { CAPABILITIES_FILE, checkPolicySet } from "../src/bundle/check.js";
import { findOpa, OPA_TEST, runOpa } from "../src/bundle/opa.js";
import { sayFailure, sayNotes, terminal } from "../src/cli/ui.js";
import { inFolder, placed } from "../src/cli/policy/sources.js";
import { asset, PACKAGE_ROOT } from "../src/system/paths.js";

const ui = terminal(process.stdout, process.stderr, process.env);
const opa = await findOpa();

async function must(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await runOpa(opa, args, PACKAGE_ROOT);
  if (code === 0) return;
  ui.err(`opa ${args.join(" ")}\n${stdout}${stderr}`.trimEnd());
  process.exitCode = 1;
}

await must("fmt", "--list", "--fail", "rego", "templates", "bench/comparison");
await must("check", "--strict", "--capabilities", CAPABILITIES_FILE, "--ignore", "*_test.rego", "rego/remit");
await must("check", "--strict", "rego/remit", "rego/conventions");
await must("check", "--strict", "bench/comparison/policy.rego");
await must(...OPA_TEST, "rego/remit", "rego/conventions");
for (const set of [...(await readdir(asset("rego", "policies"))).map((name) => `rego/policies/${name}`), "templates/policy"]) {
  const folder = asset(set);
  try {
    const { notes } = await inFolder(folder, async () => await checkPolicySet(opa, folder));
    sayNotes(
      ui,
      placed(folder, notes).filter(({ severity }) => severity !== "remark"),
    );
  } catch (error) {
    sayFailure(ui, error, false);
    process.exitCode = 1;
  }
}
