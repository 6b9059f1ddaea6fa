/**
 * Names whose share a request takes. Shares are a caller's, however many tokens it has and however it spells them: where a token
 * isn't proven yet, its text stands for its caller until it is, and while there is contention it is proven first.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Admission } from "./admission.js";

/** Identity, as far as shares need it. */
export interface Callers {
  /** Id of the caller whose token this is, if it was proven lately; null otherwise. */
  knownCaller: (authorization: string) => string | null;
  /** Id of the caller whose token this is; null unless it proves one. Any scope will do. */
  provenCaller: (authorization: string) => Promise<string | null>;
}

/** Admits like `Admit`, with the share of the request's caller. */
export type AdmitRequest = <T>(decide: () => Promise<T>, request: Asking, decisions?: number) => Promise<T>;

type Asking = Pick<IncomingMessage, "headers" | "socket">;

/** Share of a token whose caller isn't proven; no caller's id has a line break. */
const standIn = (authorization: string): string => `\n${authorization.replace(/^\S+ +/, "")}`;
const isStandIn = (share: string): boolean => share.startsWith("\n");

export function admitByCaller({ knownCaller, provenCaller }: Callers, admission: Admission): AdmitRequest {
  /** The last token of each connection: most send one again and again, and hashing it costs more than comparing it. */
  const last = new WeakMap<Socket, { authorization: string; share: string }>();
  const shareOf = ({ headers: { authorization = "" }, socket }: Asking): string | Promise<string> => {
    const remembered = last.get(socket);
    if (remembered?.authorization === authorization) return remembered.share;
    const remember = (share: string): string => {
      last.set(socket, { authorization, share });
      return share;
    };
    const known = knownCaller(authorization);
    if (known !== null) return remember(known);
    if (!admission.contended) return standIn(authorization);
    return provenCaller(authorization).then((id) => remember(id ?? standIn(authorization)));
  };
  /** Deciding proves the token, mostly at once: from then on its caller's share is what was taken. */
  const provenBy =
    <T>(decide: () => Promise<T>, { headers: { authorization = "" } }: Asking, share: string) =>
    (): Promise<T> => {
      const deciding = decide();
      const by = knownCaller(authorization);
      if (by !== null) admission.merge(share, by);
      return deciding;
    };
  return (decide, request, decisions) => {
    const share = shareOf(request);
    if (typeof share !== "string") return share.then((by) => admission.admit(decide, by, decisions));
    return admission.admit(isStandIn(share) ? provenBy(decide, request, share) : decide, share, decisions);
  };
}
