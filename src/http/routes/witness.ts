/**
 * This service as a witness of other logs (C2SP tlog-witness). Whoever submits proves by the log's own signature that it may: no token is asked
 * for, and logs that the configuration doesn't name are refused.
 */
import { Problem } from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import { readText } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const TEXT = "text/plain; charset=utf-8";
const SIZE = "text/x.tlog.size";
/** A checkpoint with its signatures, and 63 hashes. */
const REQUEST_BYTES_MAX = 64 * 1024;
const WitnessKey = Type.Object(
  { key: Type.String({ description: "C2SP verifier key of its cosignatures, for `log.witnesses.key` of the others" }) },
  { additionalProperties: false, title: "WitnessKey", description: "Public key of this witness" },
);

function cosignerOf({ cosigner }: HttpDeps): NonNullable<HttpDeps["cosigner"]> {
  if (cosigner === null) throw new Problem("not_found");
  return cosigner;
}

export function postCheckpoint(deps: HttpDeps): Route {
  const limits = { bytes_max: REQUEST_BYTES_MAX, ms: deps.limits.body_ms, too_large: "body_too_large" } as const;
  const said = (description: string, type = "text/plain"): { description: string; type: string } => ({ description, type });
  return {
    operation: {
      id: "addCheckpoint",
      method: "post",
      path: "/witness/add-checkpoint",
      summary: "Have a checkpoint of another log cosigned (C2SP tlog-witness)",
      scope: null,
      request: { types: ["text/plain"] },
      answers: {
        200: said("Signature lines"),
        400: said("It is no such request, or its old size is larger than the checkpoint's"),
        403: said("The log hasn't signed it"),
        404: said("No log of this name is cosigned for"),
        409: said("The size that was cosigned last, which isn't the old one", SIZE),
        422: said("It isn't proven that the log goes on from what was cosigned last"),
      },
      problems: ["not_found", "body_too_large", "utf8_invalid"],
    },
    handle: async (request) => {
      const cosigner = cosignerOf(deps);
      const { status, text } = await cosigner.submit(await readText(request, limits, deps.timers));
      return { status, type: status === 409 ? SIZE : TEXT, body: text };
    },
  };
}

export function getWitnessed(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getWitnessedCheckpoint",
      method: "get",
      path: "/witness/{log}/checkpoint",
      summary: "The last checkpoint of another log that was cosigned here; `log` is the SHA-256 of its origin in hex (C2SP tlog-witness)",
      scope: null,
      answers: { 200: { description: "A signed note", type: "text/plain" } },
      problems: ["not_found"],
    },
    handle: (_request, { log = "" }) => {
      const body = cosignerOf(deps).checkpoint(log);
      if (body === null) throw new Problem("not_found");
      return { status: 200, type: TEXT, body };
    },
  };
}

export function getWitnessKey(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getWitnessKey",
      method: "get",
      path: "/witness/key",
      summary: "Public key of this service as a witness of other logs",
      scope: "remit:audit",
      answers: { 200: { description: "As a C2SP verifier key", schema: WitnessKey } },
      problems: ["not_found"],
    },
    handle: async ({ headers }) => {
      await deps.identity.authenticate(headers.authorization, "remit:audit");
      return json(200, { key: cosignerOf(deps).key });
    },
  };
}
