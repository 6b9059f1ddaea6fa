import type { SourceErrors } from "../../src/bundle/source.js";
import { compiler, withSet } from "../build/support.js";
import type { Tree } from "./threat.js";

/** What a check of the template says once its rules have these lines; empty where it passes. */
export async function saidOf(tree: Tree, rules: string): Promise<string[]> {
  const { checkPolicySet } = await tree("bundle/check.js");
  const opa = await compiler();
  return await withSet({ "rules.rego": (text) => `${text}\n${rules}\n` }, async (folder) => {
    try {
      await checkPolicySet(opa, folder);
      return [];
    } catch (error) {
      const { notes } = error as Partial<SourceErrors>;
      if (notes === undefined) throw error;
      return notes.filter(({ severity }) => severity === "error").map(({ message }) => message);
    }
  });
}
