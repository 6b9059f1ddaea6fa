/** One digest for a bundle's policy and for the same policy signed again. */
import { createHash } from "node:crypto";
import { canonical, type BundleMetadata } from "../contract/index.js";
import { readJson } from "./digest.js";
import { SIGNING_FILES } from "./signature.js";
import type { BundleContent } from "./verify.js";

/** Returns a digest of all that `republishBundle` leaves as it was: two bundles with the same have one policy, whenever they were signed. */
export function policyDigest({ files, metadata, data }: Pick<BundleContent, "files" | "metadata" | "data">): string {
  const renewed = { sequence: 0, built: "", expires: null, builder: "", tzdata: "" } satisfies Partial<BundleMetadata>;
  const manifest = readJson(".manifest", files.get(".manifest") ?? Buffer.of()) as object;
  const others = [...files].filter(([name]) => name !== ".manifest" && name !== "data.json" && !SIGNING_FILES.has(name));
  const policy = {
    manifest: { ...manifest, revision: "", metadata: { ...metadata, ...renewed } },
    data: { ...data, zones: Object.keys(data.zones).sort() },
    files: Object.fromEntries(others.map(([name, content]) => [name, createHash("sha256").update(content).digest("hex")])),
  };
  return `sha256:${createHash("sha256").update(canonical(policy)).digest("hex")}`;
}
