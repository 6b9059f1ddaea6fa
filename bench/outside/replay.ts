/**
 * Runs of a suite through a guard of `@remit-pdp/client`, against the real service on loopback: one task a run, one decision a call, and only what a
 * tool answered to calls that went through is heard.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Registrar } from "../../demo/parties.js";
import { makeSandbox } from "../../dev/sandbox.js";
import { buildBundle } from "../../src/bundle/build.js";
import { findOpa } from "../../src/bundle/opa.js";
import { Denied, RemitClient, Undecided, type Action } from "../../src/client/index.js";
import { actionOf } from "../../src/guards/mcp/mapping.js";
import { Refusal } from "../../src/guards/mcp/refusal.js";
import { startService } from "../../src/service.js";
import { readConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import type { Call, Run, Scored } from "./data.js";
import { Host, type HostOptions } from "./host.js";
import { handsOn } from "./instruction.js";
import { PURPOSE, type OutsideSet, type ToolOfSet } from "./sets.js";

/** `undecided`: there was no answer, which says nothing of the policy. */
export type Verdict = "allow" | "flag" | "deny" | "undecided";

export interface Decided {
  verdict: Verdict;
  codes: string[];
  ms: number;
}

export interface Level {
  /** Whether the task's instruction is known. */
  instruction: boolean;
  without?: HostOptions["without"];
  /** Puts what the attack wants into every text of an answer that carries it. */
  carried?: true;
}

const AGENT = "assistant-1";
const TASK_LASTS_MS = 3_600_000;

export class Desk {
  #tasks = 0;

  private constructor(
    readonly set: OutsideSet,
    readonly client: RemitClient,
    private readonly registrar: Registrar,
    readonly stop: () => Promise<void>,
  ) {}

  /** Compiles the set, starts a service with it and registers the agent. */
  static async open(set: OutsideSet): Promise<Desk> {
    const dir = mkdtempSync(join(tmpdir(), "remit-outside-"));
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const [path, key] = [join(dir, "outside.tar.gz"), join(dir, "outside.pem")];
    const name = "outside";
    try {
      const { archive } = await buildBundle(await findOpa(), {
        dir: set.dir,
        key: privateKey,
        sequence: 1,
        expiresMs: null,
        builtMs: system.clock.wall(),
        commit: null,
        name,
      });
      writeFileSync(path, archive);
      writeFileSync(key, publicKey.export({ type: "spki", format: "pem" }));
      const callers = { outside: { purposes: [PURPOSE] } };
      // An agent that is attacked in nine runs of ten has no usual day.
      const sandbox = makeSandbox({ dir, bundle: { name, path, keys: [key] }, port: 0, callers, learns: false });
      const service = await startService(readConfig(sandbox.config), system, logger(system.clock, new PassThrough()));
      const registrar = new Registrar(service.url, sandbox.token("outside", ["remit:register"]));
      const client = new RemitClient({ url: service.url, token: sandbox.token("outside", ["remit:decide"]), deadline_ms: 20_000 });
      await registrar.register({
        id: AGENT,
        owner: "assistants@example.com",
        purposes: [PURPOSE],
        attributes: set.agent,
      });
      await client.ready();
      return new Desk(set, client, registrar, async () => {
        await client.close();
        await service.stop();
        rmSync(dir, { recursive: true, force: true });
      });
    } catch (cause) {
      rmSync(dir, { recursive: true, force: true });
      throw cause;
    }
  }

  async replay(run: Run, { instruction, without }: Level, carried: Scored["carried"] = []): Promise<Decided[]> {
    const tools = this.set.tools;
    const host = new Host({
      instruction: instruction ? run.instruction : null,
      tools,
      trusted: this.set.trusted,
      ...(without !== undefined && { without }),
    });
    let work = await this.registrar.issue({
      id: `run-${++this.#tasks}`,
      agent: AGENT,
      purpose: PURPOSE,
      attributes: { instruction: !instruction ? "unknown" : handsOn(run.instruction) ? "hands_on" : "known" },
      expires: new Date(system.clock.wall() + TASK_LASTS_MS).toISOString(),
    });
    const decided: Decided[] = [];
    const told = { thing: new Set<string>(), tool: new Set<string>() };
    const tell = async (): Promise<void> => {
      const news = Object.entries(host.subjects).map(
        ([name, all]) => [name, [...all].filter((one) => !told[name as keyof typeof told].has(one))] as const,
      );
      if (news.every(([, ids]) => ids.length === 0)) return;
      work = await this.registrar.add(work, Object.fromEntries(news));
      for (const [name, ids] of news) for (const id of ids) told[name as keyof typeof told].add(id);
    };
    for (const [i, { call, output }] of run.steps.entries()) {
      const tool = tools.get(call.tool);
      const action = tool === undefined ? null : meant(tool, call, host);
      await tell();
      const one = await this.#decide(action, work.task, work.at_least);
      decided.push(one);
      if (one.verdict === "allow") host.hear(call.tool, call.args, output, carried[i] ?? "");
    }
    await this.registrar.end(work, "the run is over");
    return decided;
  }

  async #decide(action: Omit<Action, "agent" | "purpose" | "task"> | null, task: string, atLeast: number): Promise<Decided> {
    const began = performance.now();
    const took = (): number => performance.now() - began;
    // What no policy has a word for never gets to be asked about.
    if (action === null) return { verdict: "deny", codes: ["unmapped"], ms: 0 };
    let ms = 0;
    try {
      return await this.client.guard(
        { agent: AGENT, purpose: PURPOSE, task, ...action },
        ({ answer }) => {
          ms = took();
          return { verdict: answer.decision, codes: answer.reasons.map(({ code }) => code), ms };
        },
        { at_least: atLeast },
      );
    } catch (cause) {
      if (cause instanceof Denied) {
        const codes = cause.reasons.map(({ code }) => code);
        return { verdict: cause.answer?.decision === "flag" ? "flag" : "deny", codes, ms: took() };
      }
      if (cause instanceof Undecided) return { verdict: "undecided", codes: [cause.code, cause.message], ms: took() };
      throw cause;
    }
  }
}

/** A call in the words of the set, with what the host found; null where it has none for it. */
function meant(tool: ToolOfSet, { tool: name, args }: Call, host: Host): ReturnType<typeof actionOf> | null {
  const found = host.found(name, args);
  if (found === null) return null;
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));
  try {
    const action = actionOf(tool.mapped, given);
    const { does, heard, places, brings } = found;
    return {
      ...action,
      resource: { ...action.resource, attributes: { ...action.resource.attributes, tool: name, does, heard, places, brings } },
    };
  } catch (cause) {
    if (cause instanceof Refusal) return null;
    throw cause;
  }
}
