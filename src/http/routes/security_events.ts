/** Security Event Tokens that are pushed here (RFC 8935), and how the streams of all transmitters stand. */
import { SetRefused, SET_ERRORS, refusalOf } from "../../adapters/events/refusals.js";
import { Problem } from "../../contract/index.js";
import { SetErrorAnswer, TransmittersAnswer } from "../../contract/security_events.js";
import { SET_TYPE, readSetBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { empty, json, type Content } from "../reply.js";
import type { Route } from "../route.js";

export function postSet(deps: HttpDeps): Route {
  const { securityEvents, limits, timers } = deps;
  return {
    operation: {
      id: "receiveSecurityEvent",
      method: "post",
      path: "/events/sets",
      summary: "Take a Security Event Token (RFC 8935): answered when what it does holds, is on record, and is remembered",
      scope: null,
      request: { types: [SET_TYPE] },
      answers: {
        202: { description: "It is taken; the same one again is answered so too. Without a body" },
        400: {
          description: `It is refused: ${Object.keys(SET_ERRORS)
            .map((code) => `\`${code}\``)
            .join(", ")}`,
          schema: SetErrorAnswer,
        },
      },
      problems: ["not_found", "overloaded", "keys_unavailable", "store_unavailable", "log_unavailable", "log_backlog", "facts_full"],
    },
    handle: async (request) => {
      const { receiver } = securityEvents;
      if (receiver === null) throw new Problem("not_found");
      const body = { bytes_max: receiver.bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
      try {
        const bytes = await readSetBytes(request, body, timers);
        await receiver.take(bytes.toString("latin1"), { authorization: request.headers.authorization });
        return empty(202);
      } catch (cause) {
        const refused = refusalOf(cause);
        if (!(refused instanceof SetRefused)) throw cause;
        return refusal(refused);
      }
    },
  };
}

function refusal(refused: SetRefused): Content {
  return { ...json(400, refused), headers: { "content-language": "en" } };
}

/** The streams of those who are told, too: whoever audits sees both ways. */
export function getTransmitters({ identity, securityEvents }: HttpDeps): Route {
  return {
    operation: {
      id: "listTransmitters",
      method: "get",
      path: "/events/transmitters",
      summary: "How the streams of security events stand that come in, and those that go out",
      scope: "remit:audit",
      answers: { 200: { description: "Each transmitter", schema: TransmittersAnswer } },
      problems: [],
    },
    handle: async (request) => {
      await identity.authenticate(request.headers.authorization, "remit:audit");
      const { received, unproven, queue, told } = securityEvents.state;
      return json(200, {
        transmitters: [...received],
        unproven,
        queue,
        streams: [...told],
      } satisfies TransmittersAnswer);
    },
  };
}
