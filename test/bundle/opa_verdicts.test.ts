import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import jwt from "jsonwebtoken";
import { readArchive } from "../../src/bundle/archive.js";
import { BundleError } from "../../src/bundle/errors.js";
import { SIGNATURES_FILE, verifySignature } from "../../src/bundle/signature.js";
import { asset } from "../../src/system/paths.js";

interface Verdict {
  bundle: string;
  config: { scope: string; keyId: string; alg: string };
  ok: boolean;
}

/** Codes of what OPA accepts, where we are stricter: ES256 alone, by a key that the signature names, and no scope. */
const STRICTER = new Set(["signature_algorithm", "signature_header", "signature_scope", "signature_key_unknown"]);

const file = (name: string): string => asset("test", "vectors", "opa_bundles", name);
const { results } = JSON.parse(await readFile(file("verdicts.json"), "utf8")) as { results: Verdict[] };
const keys = new Map<string, KeyObject>();
for (const alg of ["es256", "rs256"]) keys.set(alg.toUpperCase(), createPublicKey(await readFile(file(`${alg}.pub.pem`))));

/** What we say where the configured key is trusted under the name that the signature gives it, as OPA looks it up. */
async function codeOf({ bundle, config: { alg, keyId } }: Verdict): Promise<string> {
  try {
    // Some have a gzip header with a name in it, which is refused before any signature is looked at.
    const files = await readArchive(gzipSync(gunzipSync(await readFile(file(bundle)))));
    const { signatures = [] } = JSON.parse(String(files.get(SIGNATURES_FILE) ?? "{}")) as { signatures?: string[] };
    const named = jwt.decode(signatures[0] ?? "", { complete: true })?.header.kid;
    const key = keys.get(alg);
    verifySignature(files, new Map(key === undefined ? [] : [[named ?? keyId, key]]));
    return "accepted";
  } catch (error) {
    if (error instanceof BundleError) return error.code;
    throw error;
  }
}

describe("signed bundles that OPA has judged", () => {
  it("are 23 archives at least, some of which OPA accepts", () => {
    expect(new Set(results.map(({ bundle }) => bundle)).size).to.be.at.least(23);
    expect(results.filter(({ ok }) => ok)).to.have.length.above(5);
  });

  for (const verdict of results) {
    const { bundle, config, ok } = verdict;
    it(`${bundle} under ${config.alg}, key ${config.keyId}, scope ${config.scope || "none"}: ${ok ? "accepted" : "refused"} by OPA`, async () => {
      const code = await codeOf(verdict);
      if (!ok) expect(code).to.not.equal("accepted");
      else if (code !== "accepted") expect(STRICTER).to.include(code);
    });
  }
});
