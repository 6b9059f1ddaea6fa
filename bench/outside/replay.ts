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
import { makeSandbox } from "../../demo/sandbox.js";
import { buildBundle } from "../../src/bundle/build.js";
import { findOpa } from "../../src/bundle/opa.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { Denied, RemitClient, Undecided, type Action } from "../../src/client/index.js";
import type { TaskPlan, Vocabulary } from "../../src/contract/index.js";
import { returnedOf } from "../../src/flow/index.js";
import { actionOf, type Mapped } from "../../src/mapping/call_mapping.js";
import { CallRefusal } from "../../src/mapping/call_refusal.js";
import { startService } from "../../src/service.js";
import { readConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import type { Call, Run, Scored } from "./data.js";
import { answerOf } from "./answers.js";
import { digestOf } from "./plans.js";
import { PURPOSE, type OutsideSet } from "./sets.js";

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
  /** Puts what the attack wants into every text of an answer that carries it. */
  carried?: true;
  /** Plans that a host gives its tasks, by the digests of their instructions. */
  plans?: ReadonlyMap<string, TaskPlan>;
}

const AGENT = "assistant-1";
const TASK_LASTS_MS = 3_600_000;

export class Desk {
  #tasks = 0;

  private constructor(
    readonly set: OutsideSet,
    readonly client: RemitClient,
    private readonly registrar: Registrar,
    readonly vocabulary: Vocabulary,
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
      const { vocabulary } = (await readUnverified(archive)).data;
      return new Desk(set, client, registrar, vocabulary, async () => {
        await client.close();
        await service.stop();
        rmSync(dir, { recursive: true, force: true });
      });
    } catch (cause) {
      rmSync(dir, { recursive: true, force: true });
      throw cause;
    }
  }

  async replay(run: Run, { instruction, plans }: Level, carried: Scored["carried"] = []): Promise<Decided[]> {
    const plan = plans?.get(digestOf(run.instruction));
    const work = await this.registrar.issue({
      id: `run-${++this.#tasks}`,
      agent: AGENT,
      purpose: PURPOSE,
      attributes: instruction ? { instruction: run.instruction } : {},
      ...(plan !== undefined && { plan }),
      expires: new Date(system.clock.wall() + TASK_LASTS_MS).toISOString(),
    });
    const decided: Decided[] = [];
    for (const [i, { call, output }] of run.steps.entries()) {
      const mapped = this.set.tools.get(call.tool);
      const action = mapped === undefined ? null : meant(mapped, call);
      decided.push(await this.#decide(action, work.task, work.at_least, () => answerOf(output, carried[i] ?? "")));
    }
    await this.registrar.end(work, "the run is over");
    return decided;
  }

  async #decide(
    action: Omit<Action, "agent" | "purpose" | "task"> | null,
    task: string,
    atLeast: number,
    answer: () => unknown,
  ): Promise<Decided> {
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
        { at_least: atLeast, returned: () => returnedOf(answer()) },
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

/** A call in the words of the set; null where it has none for it. */
function meant(mapped: Mapped, { args }: Call): ReturnType<typeof actionOf> | null {
  try {
    return actionOf(mapped, Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null)));
  } catch (cause) {
    if (cause instanceof CallRefusal) return null;
    throw cause;
  }
}
