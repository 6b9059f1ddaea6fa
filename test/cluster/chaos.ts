/**
 * Everything that can break in a cluster, one thing after another, while agents act on all nodes and are revoked. What was answered is
 * held against the claims, by stamps of this process's one clock.
 */
import type { NatsServer } from "../../demo/nats/servers.js";
import { sleep, type Told } from "../service/child.js";
import { numbers } from "../threats/threat.js";
import { registered } from "./asking.js";
import type { ClusterNode } from "./nodes.js";
import { actionOf } from "./requests.js";

export interface ChaosOptions {
  /** Of the order in which things break. */
  seed: number;
  lease_ms: number;
  /** Milliseconds for which things break. */
  ms: number;
  /** Decisions a second, of all nodes together. */
  rate: number;
  /** Milliseconds from one revocation to the next. */
  revoke_every_ms: number;
  /** Told how far it is. */
  progress?: (result: ChaosResult) => void;
}

export interface ChaosResult {
  /** What broke, and how often. */
  faults: Record<string, number>;
  /** Answers that came, and those of them that allowed. */
  decisions: number;
  allowed: number;
  /** Those of them that came after their agent's revocation was asked for, and before it was claimed. */
  between: number;
  claims: number;
  /** Milliseconds, by the node that was asked, that claims took which waited for a silent node while no server was broken. */
  silent_ms: number[];
  /** Agents whose revocation was never claimed, or that could not be registered, with what was said. */
  unclaimed: string[];
  /** Answers that allowed after a claim, in words. */
  violations: string[];
}

interface Subject {
  agent: string;
  /** When its revocation was asked for. */
  revoked: number | null;
  claimed: number | null;
}

interface Parties {
  node: ClusterNode;
  server: NatsServer;
  /** Longer than a lease. */
  long_ms: number;
}

type Fault = (parties: Parties) => Promise<void>;

const linkFault =
  (breaks: (node: ClusterNode) => void): Fault =>
  async ({ node, long_ms }) => {
    breaks(node);
    await sleep(long_ms);
    node.heal();
  };

const NODE_FAULTS: Readonly<Record<string, Fault>> = {
  "a node is frozen": async ({ node, long_ms }) => {
    node.freeze(true);
    await sleep(long_ms);
    node.freeze(false);
  },
  "a node is killed": async ({ node }) => {
    await node.child.kill();
    await node.again();
  },
  "a node's links are cut": linkFault((node) => {
    node.cut();
  }),
  "a node's links hang": linkFault((node) => {
    node.hang();
  }),
  "nothing that a node sends arrives": linkFault((node) => {
    node.hang("sent");
  }),
  "nothing arrives at a node": linkFault((node) => {
    node.hang("received");
  }),
};
const SERVER_FAULTS: Readonly<Record<string, Fault>> = {
  "a server is killed": async ({ server }) => {
    await server.kill();
    await sleep(1000);
    server.start();
    await server.ready();
  },
  "a server is frozen": async ({ server, long_ms }) => {
    server.freeze(true);
    await sleep(long_ms);
    server.freeze(false);
  },
};

const TICK_MS = 10;
const POLL_MS = 20;
const PAUSE_MS = 500;
/** An election, with what is made up for after it. */
const ELECTION_MS = 12_000;
const CLAIM_WITHIN_MS = 60_000;
/** Requests that one node has not answered. */
const OPEN_MAX = 64;
const SUBJECTS_OPEN_MAX = 50;
/** Subjects that are asked about after their claim. */
const CLAIMED_KEPT = 500;
const ASKED_BEFORE_MS = 200;
/** By which an answer that left before a claim may be read after it here. */
const READ_LATE_MS = 1000;

export async function chaos(nodes: readonly ClusterNode[], servers: readonly NatsServer[], options: ChaosOptions): Promise<ChaosResult> {
  const { seed, lease_ms, ms, rate, revoke_every_ms, progress } = options;
  const below = numbers(seed);
  const result: ChaosResult = {
    ...{ faults: {}, decisions: 0, allowed: 0, between: 0, claims: 0 },
    ...{ silent_ms: [], unclaimed: [], violations: [] },
  };
  const current = new Set<Subject>();
  const claimed: Subject[] = [];
  const down = new Set<ClusterNode>();
  const isOver = new AbortController();
  const over = (): boolean => isOver.signal.aborted;
  const began = performance.now();
  let serverBroke = Number.NEGATIVE_INFINITY;

  const ask = async (node: ClusterNode, subject: Subject): Promise<void> => {
    const asked = performance.now();
    const told = await node.child.ask("POST", "/decide", { body: actionOf(subject.agent) });
    const answered = performance.now();
    if (told?.status !== 200) return;
    result.decisions++;
    const { proceed, valid_for_ms } = told.body as { proceed: boolean; valid_for_ms: number };
    if (!proceed) return;
    result.allowed++;
    if (subject.revoked === null || answered < subject.revoked) return;
    const claim = subject.claimed;
    if (claim === null) {
      result.between++;
      return;
    }
    // Whoever asked may act on an answer for as long as it is valid, counted from the request.
    const isLate = answered > claim + READ_LATE_MS && answered - asked < valid_for_ms;
    if (asked > claim || isLate)
      result.violations.push(
        `${node.name} allowed ${subject.agent}: asked ${(asked - claim).toFixed(1)} ms and answered ${(answered - claim).toFixed(1)} ms after its claim`,
      );
  };
  const open = new Map<ClusterNode, number>();
  const asking = (async () => {
    for (let asked = 0; !over();) {
      const due = ((performance.now() - began) / 1000) * rate;
      for (; asked < due; asked++) {
        const node = nodes[asked % nodes.length];
        const subjects = below(4) === 0 ? claimed : [...current];
        const subject = subjects[below(Math.max(1, subjects.length))];
        const opened = node === undefined ? OPEN_MAX : (open.get(node) ?? 0);
        if (node === undefined || subject === undefined || opened >= OPEN_MAX) continue;
        open.set(node, opened + 1);
        void ask(node, subject).finally(() => open.set(node, (open.get(node) ?? 1) - 1));
      }
      await sleep(TICK_MS);
    }
  })();

  /** Of the first node that answers in time, and can serve. */
  const firstAnswer = async (from: number, method: string, path: string, body?: object): Promise<Told | null> => {
    const order = nodes.map((_, i) => nodes[(from + i) % nodes.length]).filter((node) => node !== undefined);
    for (const { child } of order.sort((x, y) => Number(down.has(x)) - Number(down.has(y)))) {
      const told = await Promise.race([
        child.ask(method, path, body === undefined ? {} : { body }),
        sleep(lease_ms + ELECTION_MS).then(() => null),
      ]);
      if (told !== null && told.status !== 503) return told;
    }
    return null;
  };
  const subjectOf = async (i: number): Promise<void> => {
    const agent = `subject-${seed}-${i}`;
    const at = nodes.filter((node) => !down.has(node))[i % (nodes.length - down.size)];
    if (at === undefined) return;
    await registered(at, agent);
    const subject: Subject = { agent, revoked: null, claimed: null };
    current.add(subject);
    await sleep(ASKED_BEFORE_MS);
    subject.revoked = performance.now();
    const scope = { scope: { agent }, reason: "tests" };
    for (let isTaken = false; subject.claimed === null;) {
      const told: Told | null = isTaken
        ? await firstAnswer(i, "GET", `/revocations/agent/${agent}`)
        : await firstAnswer(i, "POST", "/revocations", scope);
      isTaken ||= told !== null && told.status < 300;
      const now = performance.now();
      if (told?.body["in_force"] === "fleet") {
        subject.claimed = now;
        const { expired, took_ms } = told.body["fleet"] as { expired: string[]; took_ms: number };
        if (expired.length > 0 && serverBroke < subject.revoked - ELECTION_MS) result.silent_ms.push(took_ms);
      } else if (now - subject.revoked > CLAIM_WITHIN_MS) {
        result.unclaimed.push(agent);
        break;
      } else await sleep(POLL_MS);
    }
    current.delete(subject);
    if (subject.claimed === null) return;
    result.claims++;
    claimed.push(subject);
    if (claimed.length > CLAIMED_KEPT) claimed.shift();
  };
  const revoking = (async () => {
    const running = new Set<Promise<void>>();
    for (let i = 0; !over();) {
      const due = (performance.now() - began) / revoke_every_ms;
      for (; i < due && running.size < SUBJECTS_OPEN_MAX && down.size < nodes.length; i++) {
        const one = subjectOf(i)
          .catch((cause: unknown) => {
            result.unclaimed.push(cause instanceof Error ? cause.message : String(cause));
          })
          .finally(() => running.delete(one));
        running.add(one);
      }
      progress?.(result);
      await sleep(TICK_MS);
    }
    await Promise.all(running);
  })();

  const breaking = (async () => {
    const faults = Object.entries({ ...NODE_FAULTS, ...SERVER_FAULTS });
    while (performance.now() - began < ms) {
      const [name, fault] = faults[below(faults.length)] ?? [];
      const [node, server] = [nodes[below(nodes.length)], servers[below(servers.length)]];
      if (name === undefined || fault === undefined || node === undefined || server === undefined) break;
      const isServers = name in SERVER_FAULTS;
      if (isServers) serverBroke = performance.now();
      else down.add(node);
      result.faults[name] = (result.faults[name] ?? 0) + 1;
      await fault({ node, server, long_ms: lease_ms * 1.3 });
      if (isServers) serverBroke = performance.now();
      down.delete(node);
      await sleep(PAUSE_MS);
    }
    isOver.abort();
  })();
  await Promise.all([asking, revoking, breaking]);
  return result;
}
