/** The log as C2SP tlog-tiles has it: what a reader needs to prove a record, or that nothing was taken out since it last looked. */
import { TILE_WIDTH } from "../../audit/tree/levels.js";
import { entriesTile, parseTilePath } from "../../audit/tree/tiles.js";
import { Problem, canonical } from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import type { HttpDeps } from "../deps.js";
import { integer, readQuery, required } from "../query.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const closed = { additionalProperties: false };
const LogKeys = Type.Object(
  {
    origin: Type.String({ description: "Name of the log, as its checkpoints have it" }),
    keys: Type.Array(Type.String(), { description: "C2SP verifier keys of those that sign its checkpoints" }),
  },
  { ...closed, title: "LogKeys", description: "Name of the log and public keys of its checkpoints" },
);
const ConsistencyProof = Type.Object(
  {
    checkpoint: Type.String({ description: "Signed note (C2SP tlog-checkpoint) of the log now" }),
    proof: Type.Array(Type.String(), { description: "Hashes in base64 (RFC 9162, section 2.1.4); empty: nothing was added" }),
    size: Type.Integer({ description: "Records that the checkpoint covers" }),
  },
  { ...closed, title: "ConsistencyProof", description: "Proof that the log now begins with the log as it was" },
);
const NOTE_TYPE = "text/plain; charset=utf-8";

export function getCheckpoint({ identity, log }: HttpDeps): Route {
  return {
    operation: {
      id: "getCheckpoint",
      method: "get",
      path: "/log/checkpoint",
      summary: "The log's size and root now, signed (C2SP tlog-checkpoint)",
      scope: "remit:audit",
      answers: { 200: { description: "A signed note", type: "text/plain" } },
      problems: ["log_unavailable"],
    },
    handle: async ({ headers }) => {
      await identity.authenticate(headers.authorization, "remit:audit");
      return { status: 200, type: NOTE_TYPE, body: await log.checkpoint() };
    },
  };
}

export function getCosigned({ identity, cosigned }: HttpDeps): Route {
  return {
    operation: {
      id: "getCosignedCheckpoint",
      method: "get",
      path: "/log/cosigned/{witness}",
      summary: "The last checkpoint that a witness cosigned, with the log's own signatures (C2SP tlog-cosignature)",
      scope: "remit:audit",
      answers: { 200: { description: "A signed note", type: "text/plain" } },
      problems: [],
    },
    handle: async ({ headers }, { witness = "" }) => {
      await identity.authenticate(headers.authorization, "remit:audit");
      const body = cosigned(witness);
      if (body === null) throw new Problem("not_found");
      return { status: 200, type: NOTE_TYPE, body };
    },
  };
}

export function getLogKeys({ identity, logKeys }: HttpDeps): Route {
  return {
    operation: {
      id: "getLogKeys",
      method: "get",
      path: "/log/keys",
      summary: "The log's name, and the public keys of its checkpoints. Keep them: whoever alters a log would name others",
      scope: "remit:audit",
      answers: {
        200: {
          description: "As C2SP verifier keys",
          schema: LogKeys,
        },
      },
      problems: [],
    },
    handle: async ({ headers }) => {
      await identity.authenticate(headers.authorization, "remit:audit");
      return json(200, { origin: logKeys.origin, keys: logKeys.verifiers });
    },
  };
}

const consistencyQuery = {
  before: required(integer(1, Number.MAX_SAFE_INTEGER, "The size of a checkpoint that was kept")),
};

export function getConsistency({ identity, log }: HttpDeps): Route {
  return {
    operation: {
      id: "getConsistencyProof",
      method: "get",
      path: "/log/consistency",
      summary: "What proves that the log now begins with the log as it was (RFC 9162, section 2.1.4)",
      scope: "remit:audit",
      query: consistencyQuery,
      answers: {
        200: {
          description: "From `before` to the size of `checkpoint`",
          schema: ConsistencyProof,
        },
      },
      problems: ["log_unavailable"],
    },
    handle: async (request) => {
      await identity.authenticate(request.headers.authorization, "remit:audit");
      const { before = 0 } = readQuery(request, consistencyQuery);
      try {
        return json(200, await log.consistency(before));
      } catch (cause) {
        if (!(cause instanceof RangeError)) throw cause;
        throw new Problem("parameter_invalid", { field: "before", expected: "at most the log's size" }, { cause });
      }
    },
  };
}

export function getTile({ identity, log, search }: HttpDeps): Route {
  return {
    operation: {
      id: "getTile",
      method: "get",
      path: "/log/tile/{+tile}",
      summary: "A tile of hashes, or of records (`entries/…`), by its path (C2SP tlog-tiles)",
      scope: "remit:audit",
      answers: { 200: { description: "Bytes", type: "application/octet-stream" } },
      problems: ["log_unavailable", "index_unavailable"],
    },
    handle: async ({ headers }, { tile = "" }) => {
      await identity.authenticate(headers.authorization, "remit:audit");
      const name = parseTilePath(`tile/${tile}`);
      if (name === null) throw new Problem("not_found");
      const { level, n, width } = name;
      const body = level === null ? await entries(search, n, width) : await log.tile(level, n, width);
      if (body === null) throw new Problem("not_found");
      return { status: 200, type: "application/octet-stream", body };
    },
  };
}

/** Null where there are not so many records yet. */
async function entries(search: HttpDeps["search"], n: number, width: number): Promise<Buffer | null> {
  const first = n * TILE_WIDTH + 1;
  const records = await search.ask({ kind: "entries", from: first, to: first + width - 1 });
  if (records === null) return null;
  // A record's bytes are its canonical form.
  return entriesTile((JSON.parse(records) as unknown[]).map((record) => Buffer.from(canonical(record))));
}
