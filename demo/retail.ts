/**
 * A shop's customer service, replayed from the benchmark: its host registers the agent and gives it a task for each
 * conversation, the enforcement point asks about each call, and at the end security revokes the agent while it works.
 */
import type { Ui } from "../src/cli/ui.js";
import { system } from "../src/system/index.js";
import { ISSUER } from "./sandbox.js";
import type { Benchmark } from "./benchmark.js";
import { Gateway, Registrar, Security, type Action, type Actor, type Work } from "./parties.js";
import { replayBroken, replayRecordings, replayUntilRevoked, type Counter, type Interrupted } from "./replay.js";
import { report, reportInterrupted, type Revocation } from "./report.js";
import { runService } from "./service.js";

const AGENT = "shop-assistant-1";
const PURPOSE = "retail_service";
const TASK_LASTS_MS = 3_600_000;
const FAILURES_SHOWN_MAX = 20;

/**
 * @param folder where the benchmark was found
 * @param start the service, or whatever is to be asked
 * @returns whether everything is as it must be
 */
export async function replayRetail(bench: Benchmark, folder: string, ui: Ui, start: typeof runService = runService): Promise<boolean> {
  const recordedCalls = count(bench.conversations.map(({ calls }) => calls));
  const brokenCalls = count(bench.broken.map(({ prior }) => prior)) + bench.broken.length;
  ui.out(ui.paint("bold", `A shop's customer service, from ${folder}`));
  ui.out(`
  ${bench.conversations.length} recorded conversations with ${recordedCalls} calls of tools,
  ${bench.broken.length} in which the last call breaks the shop's policy, ${brokenCalls} calls in all.
`);
  const { clock } = system;
  const rights = { purposes: [PURPOSE] };
  // One assistant that breaks the policy a thousand times in a minute would be suspended, and the policy not asked.
  const callers = { shop: rights, "shop-gateway": rights };
  const service = await start({ bundle: "retail", callers, learns: false, clock });
  try {
    const host = new Registrar(service.url, service.token("shop", ["remit:register"]));
    const gateway = new Gateway(service.url, service.token("shop-gateway", ["remit:decide"]));
    const security = new Security(service.url, service.token("security", ["remit:revoke"]));
    await host.register({
      id: AGENT,
      owner: "retail-operations@example.com",
      purposes: [PURPOSE],
      credentials: [{ issuer: ISSUER, subject: AGENT }],
      token: "required",
    });
    const actor = { agent: AGENT, purpose: PURPOSE, agent_token: service.agentToken(AGENT) };
    const counter = counterOf(host, gateway, actor);
    ui.out(`The service decides at ${service.url}/decide, by the bundle \`retail\`. The shop registered ${AGENT} and issues
a task for each conversation; whoever asks hands on the task's token, and the agent's own as proof.`);
    const began = clock.monotonic();
    const progress = progressLine(recordedCalls + brokenCalls);
    const recorded = await replayRecordings(bench, counter, progress.step);
    const broken = await replayBroken(bench, counter, progress.step);
    progress.end();
    const seconds = ((clock.monotonic() - began) / 1000).toFixed(1);
    const tasks = bench.conversations.length + bench.broken.length;
    ui.out(`${recordedCalls + brokenCalls} decisions over HTTP on ${tasks} tasks in ${seconds} s.\n`);
    const { text, failures } = report(recorded, broken, bench.rules);
    ui.out(text);

    ui.out(`\nThe recordings once more, until security revokes ${AGENT} in the middle of them:`);
    const { interrupted, revocation } = await interrupt(bench, counter, security);
    const stopped = reportInterrupted(interrupted, revocation, bench.conversations.length);
    ui.out(stopped.text);
    failures.push(...stopped.failures);

    const asked = recordedCalls + brokenCalls + interrupted.asked;
    const onRecord = service.recorded();
    ui.out(`\n${onRecord} of ${asked} decisions are on record on the disk.`);
    if (onRecord !== asked) failures.push(`${asked} decisions, ${onRecord} on record`);
    ui.out(failures.length === 0 ? ui.paint("green", "As it must be.") : notSo(failures, ui));
    return failures.length === 0;
  } finally {
    await service.stop();
  }
}

function counterOf(host: Registrar, gateway: Gateway, actor: Actor & { agent_token: string }): Counter {
  return {
    async open(id, subjects) {
      const expires = new Date(system.clock.wall() + TASK_LASTS_MS).toISOString();
      let work: Work = await host.issue({ id, agent: AGENT, purpose: PURPOSE, subjects, expires });
      return {
        decide: (action: Action) => gateway.decide(actor, work, action),
        isAbout: async (type, of) => {
          work = await host.add(work, { [type]: [of] });
        },
        close: () => host.end(work, "the conversation is over"),
      };
    },
  };
}

async function interrupt(
  bench: Benchmark,
  counter: Counter,
  security: Security,
): Promise<{ interrupted: Interrupted; revocation: Revocation }> {
  const revocation = { revision: Infinity, took_ms: NaN };
  const interrupted = await replayUntilRevoked(bench, counter, async () => {
    const sent = system.clock.monotonic();
    const { revision } = await security.revoke({ agent: AGENT }, "it leaks addresses, incident 12");
    revocation.took_ms = system.clock.monotonic() - sent;
    revocation.revision = revision ?? Infinity;
  });
  return { interrupted, revocation };
}

function notSo(failures: readonly string[], ui: Ui): string {
  const shown = failures.slice(0, FAILURES_SHOWN_MAX).map((failure) => `  ${failure}`);
  return [ui.paint("red", `Not as it must be, ${failures.length} times:`), ...shown].join("\n");
}

function count(lists: readonly (readonly unknown[])[]): number {
  return lists.reduce((sum, list) => sum + list.length, 0);
}

/** One line that counts, on a terminal; elsewhere nothing, since it is over in seconds. */
function progressLine(total: number): { step: () => void; end: () => void } {
  const live = process.stdout.isTTY;
  let done = 0;
  const show = (): void => {
    if (live) process.stdout.write(`\r  ${done} of ${total} decided`);
  };
  return {
    step: () => {
      done += 1;
      if (done % 50 === 0) show();
    },
    end: () => {
      show();
      if (live) process.stdout.write("\n");
    },
  };
}
