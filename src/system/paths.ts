/** Finds the package's own assets: the policy library, shipped sets and bundles, the OPA pin. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

export const PACKAGE_ROOT = packageRoot();

/** An asset of the package by its path from the root. */
export function asset(...parts: string[]): string {
  return join(PACKAGE_ROOT, ...parts);
}
