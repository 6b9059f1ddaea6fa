/** What someone puts where bundles come from. */
import { BAD } from "../bundle/bad.js";
import { KEYS, NAME, NOW_MS, bundleBytes } from "../bundle/support.js";
import { codeOf, threat, type Tree } from "./threat.js";

type Bad = (typeof BAD)[number];

/** The first of these bundles that isn't refused with its own code. */
async function firstThrough(tree: Tree, bad: readonly Bad[], least: number): Promise<string | null> {
  const { verifyBundle } = await tree("bundle/verify.js");
  const verify = (bytes: Buffer): Promise<string> => codeOf(() => verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS }));
  if (bad.length < least) return `only ${bad.length} bad bundles`;
  if ((await verify(await bundleBytes())) !== "accepted") return "the good bundle was refused";
  for (const [what, code, make] of bad) {
    const found = await verify(await make());
    if (found !== code) return `${what}: ${found}`;
  }
  return null;
}

threat("C1", "one signature of a pinned key over every file, no more and no fewer", {
  check: (tree) =>
    firstThrough(
      tree,
      BAD.filter(([, code]) => !code.startsWith("archive_")),
      60,
    ),
  without: {
    "the signature": [{ file: "bundle/signature.js", from: /jwt\.verify\(token, key, \{[^}]*\}\)/, to: "jwt.decode(token)" }],
    "pinned keys": [{ file: "bundle/signature.js", from: "keys.get(header.kid);", to: "keys.get(header.kid) ?? [...keys.values()][0];" }],
    "the key's algorithm": [{ file: "bundle/signature.js", from: 'if (header.alg !== "ES256")', to: "if (false)" }],
    "each file being listed": [
      { file: "bundle/signature.js", from: "if (wanted === undefined)", to: "if (wanted === undefined) continue; if (false)" },
    ],
    "each file's hash": [{ file: "bundle/signature.js", from: "if (wanted !== hash)", to: "if (false)" }],
    "each listed file being there": [{ file: "bundle/signature.js", from: "if (absent !== undefined)", to: "if (false)" }],
    "the ABI": [{ file: "bundle/verify.js", from: "if (!ABI_VERSIONS.includes(value.abi))", to: "if (false)" }],
  },
});

threat("C9", "members are read in memory: regular files, plain names, each once, nothing after the end", {
  check: (tree) =>
    firstThrough(
      tree,
      BAD.filter(([, code]) => code.startsWith("archive_")),
      40,
    ),
  without: {
    "plain names": [{ file: "bundle/archive.js", from: "|| !NAME.test(name)", to: "" }],
    "each name once": [{ file: "bundle/archive.js", from: "if (folded.has(name.toLowerCase()))", to: "if (false)" }],
    "regular files only": [{ file: "bundle/archive.js", from: 'if (type !== "file")', to: "if (false)" }],
    "no records between members": [{ file: "bundle/archive.js", from: "if (byteOffset !== end + BLOCK_BYTES)", to: "if (false)" }],
    "the end of the gzip member": [{ file: "bundle/archive.js", from: "if (trailer.length > GZIP_TRAILER_BYTES)", to: "if (false)" }],
    "the end of the archive": [
      {
        file: "bundle/archive.js",
        from: "if (raw.length - end > END_BLOCKS_MAX * BLOCK_BYTES || !isZero(raw.subarray(end)))",
        to: "if (false)",
      },
    ],
    "a ratio for bombs": [
      { file: "bundle/archive.js", from: "Math.max(RATIO_FROM_BYTES, limits.ratio_max * source.length)", to: "Infinity" },
    ],
    "a count of members": [{ file: "bundle/archive.js", from: "if (headers.length > limits.members_max)", to: "if (false)" }],
  },
});
