/** A client and a server that say what they like, with the guard between them and a real service to ask. */
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { RemitClient } from "../../../src/client/index.js";
import type { SessionIdentity } from "../../../src/guards/mcp/calls.js";
import { PipeEnd } from "../../../src/guards/mcp/end.js";
import type { Pins } from "../../../src/guards/mcp/pins.js";
import { Session } from "../../../src/guards/mcp/session.js";
import { system } from "../../../src/system/index.js";
import { TOOLS } from "./crm.js";
import { MAPPING, configOf, inAnHour, logged, openDesk, pinsOf, until, type Desk, type Said } from "./support.js";

export type Message = Record<string, unknown> & {
  id?: number | string;
  method?: string;
  params?: Record<string, unknown>;
};
export type Answering = (asked: Message, say: (message: object) => void) => void;

export interface Rough {
  as: SessionIdentity["as"];
  say: (message: object) => void;
  /** What the client got. */
  got: Message[];
  /** What the server got. */
  reached: Message[];
  serverSays: (message: object) => void;
  said: () => Said;
  ended: () => boolean;
  /** The server is gone. */
  hangUp: () => void;
  /** Of the request with this id; undefined as long as there is none. */
  answerTo: (id: number | string) => Message | undefined;
  answered: (id: number | string) => Promise<Message>;
  calls: () => Message[];
  close: () => Promise<void>;
}

export interface Roughness {
  answering?: Answering;
  /** Of the configuration. */
  changes?: object;
  pins?: Pins;
  /** A client's transport instead of one that takes everything. */
  transport?: Transport;
  initialized?: boolean;
  /** Another service to ask. */
  url?: string;
}

export const INITIALIZE = {
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "rough", version: "1" } },
};
const SERVER = { protocolVersion: "2025-11-25", capabilities: { tools: {}, tasks: {} }, serverInfo: { name: "rough", version: "1" } };
const PURPOSE = "customer_support";

/** As a server that keeps to the protocol. */
export const listing: Answering = (asked, say) => {
  if (asked.method === "initialize") say({ id: asked.id, result: SERVER });
  else if (asked.method === "tools/list") say({ id: asked.id, result: { tools: TOOLS } });
  else if (asked.method === "tools/call")
    say({ id: asked.id, result: { content: [{ type: "text", text: `done ${String(asked.params?.["name"])}` }] } });
};

export interface RoughDesk extends Desk {
  open: (roughness?: Roughness) => Promise<Rough>;
}

export async function openRoughDesk(): Promise<RoughDesk> {
  const desk = await openDesk();
  const client = new RemitClient({ url: desk.service.url, token: desk.service.token("guard", ["remit:decide"]) });
  const { subjects, attributes } = MAPPING.task;
  let agents = 0;
  return {
    ...desk,
    // Each with an agent of its own: what one does would else be unusual for the next.
    open: async (roughness = {}) => {
      const agent = `rough-${++agents}`;
      const as = { agent, purpose: PURPOSE, task: `T-${agents}` };
      await desk.ask("POST", "/agents", { id: agent, owner: "desk@example.com", purposes: [PURPOSE] });
      await desk.ask("POST", "/tasks", { id: as.task, agent, purpose: PURPOSE, subjects, attributes, expires: inAnHour() });
      return open(desk, client, as, roughness);
    },
    stop: async () => {
      await client.close();
      await desk.stop();
    },
  };
}

async function open(
  desk: Desk,
  client: RemitClient,
  as: SessionIdentity["as"],
  { answering = listing, changes = {}, pins = pinsOf(), transport, initialized = true, url }: Roughness,
): Promise<Rough> {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const [up, server] = InMemoryTransport.createLinkedPair();
  const got: Message[] = [];
  const reached: Message[] = [];
  let ended = false;
  const { log, said } = logged();
  const config = configOf({ remit: { url: desk.service.url }, server: { command: ["none"] }, hold_ms: 0, ...changes });
  const serverSays = (message: object): void => {
    void server.send({ jsonrpc: "2.0", ...message } as JSONRPCMessage).catch(() => undefined);
  };
  server.onmessage = (message) => {
    reached.push(message as Message);
    if ("method" in message) answering(message as Message, serverSays);
  };
  await server.start();
  const asked =
    url === undefined ? client : new RemitClient({ url, token: desk.service.token("guard", ["remit:decide"]), deadline_ms: 500 });
  const bytesMax = config.limits.waiting_bytes_max;
  const session = new Session("s-1", new PipeEnd(transport ?? theirs, bytesMax), new PipeEnd(up, bytesMax), {
    config,
    pins,
    possible: () => true,
    remit: asked,
    log,
    timers: system.timers,
    identify: () => Promise.resolve({ as, agent_token: null, made: false }),
    ended: () => {
      ended = true;
      return Promise.resolve();
    },
  });
  ours.onmessage = (message) => got.push(message as Message);
  await ours.start();
  await session.begin();
  const say = (message: object): void => {
    void ours.send({ jsonrpc: "2.0", ...message } as JSONRPCMessage);
  };
  const answerTo: Rough["answerTo"] = (id) => got.find((message) => message.id === id && message.method === undefined);
  const answered: Rough["answered"] = async (id) => {
    await until(() => answerTo(id) !== undefined);
    return answerTo(id) ?? {};
  };
  if (initialized && transport === undefined) {
    say({ id: "init", ...INITIALIZE });
    await answered("init");
  }
  return {
    as,
    say,
    got,
    reached,
    serverSays,
    said,
    ended: () => ended,
    hangUp: () => void server.close(),
    answerTo,
    answered,
    calls: () => reached.filter(({ method }) => method === "tools/call"),
    close: async () => {
      await session.close();
      if (url !== undefined) await asked.close();
    },
  };
}

export function callOf(id: number | string, name: string, given: unknown, more: object = {}): object {
  return { id, method: "tools/call", params: { name, arguments: given, ...more } };
}

/** `done`, or why not. */
export function codeOf({ result, error }: Message): unknown {
  const said = result as { _meta?: { "remit/refused"?: { code: string } } } | undefined;
  const failed = error as { code: number; data?: { code?: string } } | undefined;
  return said?._meta?.["remit/refused"]?.code ?? failed?.data?.code ?? failed?.code ?? "done";
}
