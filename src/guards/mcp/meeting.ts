/** The beginning of a conversation with a server, in the revision that it speaks: what it is, and what it offers. */
import { LATEST_PROTOCOL_VERSION } from "@modelcontextprotocol/sdk/types.js";
import { isObject } from "../../mapping/call_mapping.js";
import { STATELESS, declaring, freshMs, serverOf } from "./stateless.js";
import type { Upstream } from "./upstream.js";
import { notification, type Params, type RpcError } from "./wire.js";

export interface MetServer {
  capabilities: Params;
  instructions: string | undefined;
  /** Name and version as it gives them itself. */
  server: Params | null;
  /** Milliseconds for which this may be kept. */
  ttlMs: number;
}

/** The server answered, and not with what it is. */
export class MeetingFailed extends Error {
  override readonly name = "MeetingFailed";
}

/**
 * Asks a server of the revision without sessions what it is.
 * @param capabilities of the client that asks; left out, it can't be asked for anything
 * @throws MeetingFailed, ServerGone, the signal's reason
 */
export async function discover(upstream: Upstream, signal?: AbortSignal, capabilities: Params = {}): Promise<MetServer> {
  upstream.agreed(STATELESS);
  const reply = await upstream.ask("server/discover", declaring(capabilities), signal === undefined ? {} : { signal });
  if ("error" in reply) throw failed("server/discover", reply.error);
  const { supportedVersions } = reply.result;
  if (!Array.isArray(supportedVersions) || !supportedVersions.includes(STATELESS)) {
    throw new MeetingFailed(`the server doesn't speak revision ${STATELESS}`);
  }
  return { ...metBy(reply.result), server: serverOf(reply.result), ttlMs: freshMs(reply.result) };
}

/**
 * Begins a session as a client of the guard's own.
 * @param capabilities of that client; left out, it can't be asked for anything
 * @throws MeetingFailed, ServerGone, the signal's reason
 */
export async function initialize(upstream: Upstream, signal?: AbortSignal, capabilities: Params = {}): Promise<MetServer> {
  const params = { protocolVersion: LATEST_PROTOCOL_VERSION, capabilities, clientInfo: { name: "remit", version: "1" } };
  const reply = await upstream.ask("initialize", params, signal === undefined ? {} : { signal });
  if ("error" in reply) throw failed("initialize", reply.error);
  const { protocolVersion, serverInfo } = reply.result;
  if (typeof protocolVersion === "string" && protocolVersion !== STATELESS) upstream.agreed(protocolVersion);
  upstream.send(notification("notifications/initialized"));
  return { ...metBy(reply.result), server: isObject(serverInfo) ? serverInfo : null, ttlMs: 0 };
}

function metBy({ capabilities, instructions }: Params): Pick<MetServer, "capabilities" | "instructions"> {
  return {
    capabilities: isObject(capabilities) ? capabilities : {},
    instructions: typeof instructions === "string" ? instructions : undefined,
  };
}

function failed(method: string, { message }: RpcError): MeetingFailed {
  return new MeetingFailed(`the server answers ${method} with: ${message}`);
}
