import { diffBundles, type BundleDifference } from "../../src/bundle/diff.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { build, type Changes } from "./support.js";

export async function difference(before: Changes, after: Changes): Promise<BundleDifference> {
  const [old, now] = [await build(before), await build(after)];
  return diffBundles(await readUnverified(old.archive), await readUnverified(now.archive));
}

export function inPurposes(from: string, to: string): Changes {
  return { "purposes.yaml": (text) => text.replace(from, to) };
}
