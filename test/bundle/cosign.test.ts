import { expect } from "chai";
import { createPublicKey, type KeyObject } from "node:crypto";
import { BundleError } from "../../src/bundle/errors.js";
import { COSIGNATURES_FILE, SIGNATURES_FILE, cosignFiles, keyId, signFiles } from "../../src/bundle/signature.js";
import { verifyBundle } from "../../src/bundle/verify.js";
import { KEY, KEYS, NAME, NOW_MS, STRANGER, archive, content, p256, signed, type Files } from "./support.js";

const RELEASE = p256();
const pair = (key: KeyObject): [string, KeyObject] => [keyId(key), createPublicKey(key)];
const BOTH = new Map([pair(KEY), pair(RELEASE)]);
const RELEASE_ONLY = new Map([pair(RELEASE)]);

const cosigned = (): Files => cosignFiles(signed(content()), RELEASE, KEYS);

async function codeOf(files: Files, keys = BOTH, signers_min = 2): Promise<string> {
  try {
    await verifyBundle(await archive(files), { keys, signers_min, name: NAME, nowMs: NOW_MS });
    return "accepted";
  } catch (error) {
    if (error instanceof BundleError) return error.code;
    throw error;
  }
}

/** A cosigned bundle with one of its files changed by whoever has some of the keys. */
function changed(name: string, change: (text: string) => string): Files {
  const files = cosigned();
  return files.set(name, Buffer.from(change(files.get(name)?.toString() ?? "")));
}

const altered = (): Files => new Map(content()).set("remit/decide.rego", Buffer.from("package remit\n\nx := 1\n"));
const resigned = (files: Files, key: KeyObject): Files => new Map(files).set(SIGNATURES_FILE, signFiles(files, key));

describe("a bundle that two have to sign", () => {
  it("is accepted with both signatures, and is the same bundle as with one", async () => {
    const options = { name: NAME, nowMs: NOW_MS };
    const two = await verifyBundle(await archive(cosigned()), { ...options, keys: BOTH, signers_min: 2 });
    const one = await verifyBundle(await archive(signed(content())), { ...options, keys: BOTH });
    expect(two.identity).to.deep.equal(one.identity);
  });

  const bad: [what: string, code: string, files: () => Files][] = [
    ["one signature", "signatures_too_few", () => signed(content())],
    ["one signature by the second", "signatures_too_few", () => signed(content(), RELEASE)],
    [
      "two by the same key",
      "signatures_too_few",
      () => {
        const files = new Map(signed(content()));
        return resigned(files.set(COSIGNATURES_FILE, files.get(SIGNATURES_FILE) ?? Buffer.of()), KEY);
      },
    ],
    ["a second one by a stranger", "signatures_too_few", () => cosignFiles(signed(content()), STRANGER, KEYS)],
    ["a first one by a stranger", "signatures_too_few", () => cosignFiles(signed(content(), STRANGER), RELEASE, new Map([pair(STRANGER)]))],
    ["two by strangers", "signature_key_unknown", () => cosignFiles(signed(content(), STRANGER), p256(), new Map([pair(STRANGER)]))],
    [
      "another content under the first one's signature",
      "file_altered",
      () => {
        const files = new Map(altered()).set(COSIGNATURES_FILE, signed(content()).get(SIGNATURES_FILE) ?? Buffer.of());
        return resigned(files, RELEASE);
      },
    ],
    [
      "another content under the second one's signature",
      "file_altered",
      () => {
        const files = new Map(altered());
        files.set(COSIGNATURES_FILE, signFiles(altered(), KEY));
        return files.set(SIGNATURES_FILE, cosigned().get(SIGNATURES_FILE) ?? Buffer.of());
      },
    ],
    [
      "the first signature gone",
      "file_not_present",
      () => {
        const files = cosigned();
        files.delete(COSIGNATURES_FILE);
        return files;
      },
    ],
    [
      "the second signature gone",
      "signature_missing",
      () => {
        const files = cosigned();
        files.delete(SIGNATURES_FILE);
        return files;
      },
    ],
    [
      "a first signature that is no file of signatures",
      "json_invalid",
      () =>
        resigned(
          changed(COSIGNATURES_FILE, () => "{"),
          RELEASE,
        ),
    ],
    [
      "no first signature in its file",
      "signature_count",
      () =>
        resigned(
          changed(COSIGNATURES_FILE, () => '{"signatures":[]}'),
          RELEASE,
        ),
    ],
    [
      "a first signature without a key",
      "signature_header",
      () =>
        resigned(
          changed(COSIGNATURES_FILE, () => '{"signatures":["eyJhbGciOiJFUzI1NiJ9.e30."]}'),
          RELEASE,
        ),
    ],
    [
      "a file of first signatures that grew",
      "file_altered",
      () => changed(COSIGNATURES_FILE, (text) => text.replace("}", ',"plugin":"_default"}')),
    ],
  ];
  for (const [what, code, files] of bad) {
    it(`is refused with ${what}: ${code}`, async () => {
      expect(await codeOf(files())).to.equal(code);
    });
  }

  it("is accepted by one signature where one is wanted, whichever key is known: keys are rotated without a gap", async () => {
    for (const keys of [KEYS, RELEASE_ONLY, BOTH]) expect(await codeOf(cosigned(), keys, 1)).to.equal("accepted");
    expect(await codeOf(cosigned(), new Map([pair(STRANGER)]), 1)).to.equal("signature_key_unknown");
  });

  it("is refused with a known key's bad signature, even where the other one would do", async () => {
    const files = new Map(altered()).set(COSIGNATURES_FILE, signed(content()).get(SIGNATURES_FILE) ?? Buffer.of());
    expect(await codeOf(resigned(files, RELEASE), KEYS, 1)).to.equal("file_altered");
  });

  it("has the same digest, whatever a stranger puts over a known signature", async () => {
    const files = new Map(signed(content()));
    files.set(COSIGNATURES_FILE, files.get(SIGNATURES_FILE) ?? Buffer.of());
    const { identity } = await verifyBundle(await archive(resigned(files, STRANGER)), { keys: KEYS, name: NAME, nowMs: NOW_MS });
    expect(identity).to.deep.equal(
      (await verifyBundle(await archive(signed(content())), { keys: KEYS, name: NAME, nowMs: NOW_MS })).identity,
    );
  });

  it("gets no third signature, none of its first signer, and none over what isn't trusted", () => {
    const refused = (files: Files, key: KeyObject, keys = KEYS): string => {
      try {
        cosignFiles(files, key, keys);
        return "signed";
      } catch (error) {
        return (error as BundleError).code;
      }
    };
    expect(refused(cosigned(), p256())).to.equal("signature_count");
    expect(refused(signed(content()), KEY)).to.equal("signer_twice");
    expect(refused(signed(content(), STRANGER), RELEASE)).to.equal("signature_key_unknown");
    expect(refused(content(), RELEASE)).to.equal("signature_missing");
  });
});
