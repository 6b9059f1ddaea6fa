#!/usr/bin/env node
/** The `remit` command with all that it has: one module per subcommand, each adding itself. */
import { main, runProgram, type Subcommands } from "./program.js";
import type { Ui } from "./ui.js";

/** Loaded one by one: `remit serve` has no use for what builds policies, and starts sooner without it. */
export const COMMANDS: Subcommands = {
  init: async () => (await import("./init.js")).addInit,
  build: async () => (await import("./build.js")).addBuild,
  dev: async () => (await import("./dev.js")).addDev,
  check: async () => (await import("./check.js")).addCheck,
  test: async () => (await import("./test.js")).addTest,
  fmt: async () => (await import("./fmt.js")).addFmt,
  explain: async () => (await import("./decide.js")).addExplain,
  decide: async () => (await import("./decide.js")).addDecide,
  verify: async () => (await import("./verify.js")).addVerify,
  inspect: async () => (await import("./inspect.js")).addInspect,
  cosign: async () => (await import("./cosign.js")).addCosign,
  republish: async () => (await import("./republish.js")).addRepublish,
  publish: async () => (await import("./publish.js")).addPublish,
  bundles: async () => (await import("./publish.js")).addBundles,
  diff: async () => (await import("./diff.js")).addDiff,
  keys: async () => (await import("./keys.js")).addKeys,
  agents: async () => (await import("./agents.js")).addAgents,
  tasks: async () => (await import("./tasks.js")).addTasks,
  grants: async () => (await import("./grants.js")).addGrants,
  revoke: async () => (await import("./revocations.js")).addRevoke,
  revocations: async () => (await import("./revocations.js")).addRevocations,
  facts: async () => (await import("./facts.js")).addFacts,
  cluster: async () => (await import("./cluster.js")).addCluster,
  findings: async () => (await import("./findings.js")).addFindings,
  events: async () => (await import("./events.js")).addEvents,
  observe: async () => (await import("./observe.js")).addObserve,
  outcome: async () => (await import("./outcome.js")).addOutcome,
  audit: async () => (await import("./audit/index.js")).addAudit,
  replay: async () => (await import("./replay.js")).addReplay,
  impact: async () => (await import("./impact.js")).addImpact,
  review: async () => (await import("./review.js")).addReview,
  recommend: async () => (await import("./recommend.js")).addRecommend,
  profile: async () => (await import("./profile.js")).addProfile,
  guard: async () => (await import("./guard.js")).addGuard,
  token: async () => (await import("./token.js")).addToken,
  console: async () => (await import("./console.js")).addConsole,
  completion: async () => (await import("./completion.js")).addCompletion,
  serve: async () => (await import("./serve.js")).addServe,
};

/**
 * Runs one command line.
 * @param args without the program's own name
 * @returns the exit code, of `EXIT_CODES`
 */
export function run(args: readonly string[], ui: Ui): Promise<number> {
  return runProgram(COMMANDS, args, ui);
}

await main(COMMANDS, import.meta.url);
