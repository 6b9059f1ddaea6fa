/**
 * Capabilities of clients that the guard hands on. Servers show some tools, and list some things, only to clients that have them, and what isn't seen
 * can't be approved: so the guard's own client has all of them. There is nobody behind it, and whatever a server asks it is declined.
 */
import { RPC, type Params, type Reply, type Request } from "./wire.js";

export const CAPABILITIES: Params = { elicitation: { form: {}, url: {} }, sampling: { context: {}, tools: {} }, roots: {} };
/** Code of a request that the user of a client has rejected, as the specification's examples have it. */
const REJECTED = -1;

/** Answers a server's request without telling or doing anything. */
export function declined({ method }: Pick<Request, "method">): Reply {
  switch (method) {
    case "ping":
      return { result: {} };
    case "roots/list":
      return { result: { roots: [] } };
    case "elicitation/create":
      return { result: { action: "decline" } };
    case "sampling/createMessage":
      return { error: { code: REJECTED, message: "User rejected sampling request" } };
    default:
      return { error: { code: RPC.method_not_found, message: "Method not found" } };
  }
}
