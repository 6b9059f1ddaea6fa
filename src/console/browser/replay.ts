/** Decides a record again in the browser, by the WASM of a bundle: the code of `remit replay`, for one record. */
import type { BundleContent } from "../../bundle/verify.js";
import { bundleDigest, fileHashes } from "../../bundle/digest.js";
import type { BundleMetadata, Catalogue, PolicyData, ShownRecord } from "../../contract/index.js";
import { RunningBundle } from "../../replay/bundles.js";
import { judgeAgain } from "../../replay/judge.js";
import { recordedOf, type Parts, type ReplayableRecord } from "../../replay/recorded_decision.js";
import { systemClock } from "../../system/index.js";
import { readArchive } from "./host/archive.js";
import type { FromReplay, ToReplay } from "./replay_messages.js";

interface ReplayScope {
  onmessage: ((event: { data: ToReplay }) => void) | null;
  postMessage(message: FromReplay): void;
}

const scope = globalThis as unknown as ReplayScope;

scope.onmessage = ({ data }) => {
  replayed(data).then(
    (answer) => {
      scope.postMessage(answer);
    },
    (cause: unknown) => {
      scope.postMessage({ kind: "failed", message: cause instanceof Error ? cause.message : String(cause) });
    },
  );
};

async function replayed({ archive, shown }: ToReplay): Promise<FromReplay> {
  const began = systemClock.monotonic();
  const content = await contentOf(new Uint8Array(archive));
  const recorded = fromShown(shown);
  const judged = judgeAgain(recorded, new RunningBundle(content));
  const isOwn = content.identity.digest === recorded.record.answer.policy.digest;
  // Under another bundle its name is no difference that says anything.
  const differences = judged.is === "differing" ? judged.differences.filter(({ at }) => isOwn || !at.startsWith("/policy")) : [];
  const is = judged.is === "differing" && differences.length === 0 ? "identical" : judged.is;
  return { kind: "replayed", is, differences, policy: content.identity, isOwn, ms: Math.round(systemClock.monotonic() - began) };
}

/** @throws Error if the archive is no bundle. Its digest is computed here: whoever sent it can't claim one. */
async function contentOf(archive: Uint8Array): Promise<BundleContent> {
  const files = await readArchive(archive);
  const file = (name: string): Buffer => {
    const content = files.get(name);
    if (content === undefined) throw new Error(`the bundle lacks ${name}`);
    return content;
  };
  const json = (name: string): unknown => JSON.parse(file(name).toString("utf8"));
  const { revision, metadata } = json(".manifest") as { revision: string; metadata: BundleMetadata };
  const digest = bundleDigest(fileHashes(files));
  return {
    identity: { bundle: metadata.name, digest, revision, sequence: metadata.sequence },
    metadata,
    data: json("data.json") as PolicyData,
    dataText: file("data.json"),
    catalogue: json("catalogue.json") as Catalogue,
    wasm: file("policy.wasm"),
    files,
  };
}

/** @throws Error if the record has nothing that a policy could be asked */
function fromShown({ seq, record, beside }: ShownRecord): ReplayableRecord {
  const parts = (beside ?? record) as unknown as Parts;
  if (!("input" in parts) && !("floor" in parts)) throw new Error("the record holds nothing to decide again");
  return recordedOf(seq, record as unknown as ReplayableRecord["record"], parts);
}
