/** Proves a decision to outsiders: its record, its place in the log's tree, and the checkpoint over both. */
import { Receipt, RECEIPT_VERSION } from "../../audit/tree/receipt.js";
import { fromBase64, type Hash } from "../../audit/tree/hash.js";
import { printProofFile } from "../../audit/tree/proof_file.js";
import { Problem, canonical, type ShownRecord } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { json, jsonText } from "../reply.js";
import type { Route } from "../route.js";

const PROBLEMS = ["record_not_found", "index_unavailable", "log_unavailable"] as const;

/** Makes the receipt of a record of this service; null where it has no such record. @throws Problem `index_unavailable`, `log_unavailable` */
export async function receiptOf(
  { search, log, logKeys }: Pick<HttpDeps, "search" | "log" | "logKeys">,
  id: string,
): Promise<Receipt | null> {
  const text = await search.ask({ kind: "one", id });
  if (text === null) return null;
  const { record, leaf, beside, outcomes } = JSON.parse(text) as ShownRecord;
  const others = outcomes.map((outcome) => ({ index: outcome.seq - 1, record: canonical(outcome) }));
  const { proofs, checkpoint } = await log.inclusion([leaf, ...others.map(({ index }) => index)]);
  const [proof = [], ...theirs] = proofs;
  return {
    v: RECEIPT_VERSION,
    record: canonical(record),
    ...(beside === null ? {} : { beside: canonical(beside) }),
    index: leaf,
    proof,
    outcomes: others.map((other, i) => ({ ...other, proof: theirs[i] ?? [] })),
    checkpoint,
    keys: logKeys.verifiers,
  };
}

export function getReceipt(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getReceipt",
      method: "get",
      path: "/decisions/{id}/receipt",
      summary: "One file that proves the decision, and what was reported of it, offline: `remit audit verify-receipt` reads it",
      scope: "remit:audit",
      answers: { 200: { description: "A receipt", schema: Receipt } },
      problems: PROBLEMS,
    },
    handle: async ({ headers }, { id = "" }) => {
      await deps.identity.authenticate(headers.authorization, "remit:audit");
      const own = await receiptOf(deps, id);
      if (own !== null) return json(200, own);
      const others = (await deps.fleet?.receipt(id)) ?? null;
      if (others === null) throw new Problem("record_not_found");
      return jsonText(others);
    },
  };
}

export function getProof({ identity, search, log }: HttpDeps): Route {
  return {
    operation: {
      id: "getInclusionProof",
      method: "get",
      path: "/decisions/{id}/proof",
      summary: "The record's inclusion in the log, for whoever has the record (C2SP tlog-proof)",
      scope: "remit:audit",
      answers: { 200: { description: "A proof file", type: "text/plain" } },
      problems: PROBLEMS,
    },
    handle: async ({ headers }, { id = "" }) => {
      await identity.authenticate(headers.authorization, "remit:audit");
      const { leaf } = await shown(search, id);
      const { proofs, checkpoint } = await log.inclusion([leaf]);
      const proof = (proofs[0] ?? []).map((hash) => fromBase64(hash) as Hash);
      const body = printProofFile({ extra: null, index: leaf, proof, checkpoint });
      return { status: 200, type: "text/plain; charset=utf-8", body };
    },
  };
}

async function shown(search: HttpDeps["search"], id: string): Promise<ShownRecord> {
  const text = await search.ask({ kind: "one", id });
  if (text === null) throw new Problem("record_not_found");
  return JSON.parse(text) as ShownRecord;
}
