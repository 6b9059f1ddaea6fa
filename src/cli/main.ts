#!/usr/bin/env node
/** The `remit` command with all that it has: one module per subcommand, each adding itself. */
import { main, runProgram, type Subcommands } from "./program.js";
import type { Ui } from "./ui.js";

/** Loaded one by one: `remit serve` has no use for what builds policies, and starts sooner without it. */
export const COMMANDS: Subcommands = {
  init: async () => (await import("./policy/init.js")).addInit,
  build: async () => (await import("./policy/build.js")).addBuild,
  dev: async () => (await import("./policy/dev.js")).addDev,
  check: async () => (await import("./policy/check.js")).addCheck,
  test: async () => (await import("./policy/test.js")).addTest,
  fmt: async () => (await import("./policy/fmt.js")).addFmt,
  explain: async () => (await import("./policy/decide.js")).addExplain,
  decide: async () => (await import("./policy/decide.js")).addDecide,
  verify: async () => (await import("./policy/verify.js")).addVerify,
  inspect: async () => (await import("./policy/inspect.js")).addInspect,
  cosign: async () => (await import("./policy/cosign.js")).addCosign,
  republish: async () => (await import("./policy/republish.js")).addRepublish,
  publish: async () => (await import("./policy/publish.js")).addPublish,
  bundles: async () => (await import("./policy/publish.js")).addBundles,
  diff: async () => (await import("./policy/diff.js")).addDiff,
  keys: async () => (await import("./policy/keys.js")).addKeys,
  agents: async () => (await import("./facts/agents.js")).addAgents,
  tasks: async () => (await import("./facts/tasks.js")).addTasks,
  grants: async () => (await import("./facts/grants.js")).addGrants,
  revoke: async () => (await import("./facts/revocations.js")).addRevoke,
  revocations: async () => (await import("./facts/revocations.js")).addRevocations,
  facts: async () => (await import("./facts/facts.js")).addFacts,
  cluster: async () => (await import("./service/cluster.js")).addCluster,
  findings: async () => (await import("./findings/findings.js")).addFindings,
  events: async () => (await import("./service/events.js")).addEvents,
  observe: async () => (await import("./records/observe.js")).addObserve,
  outcome: async () => (await import("./records/outcome.js")).addOutcome,
  audit: async () => (await import("./records/audit/index.js")).addAudit,
  replay: async () => (await import("./records/replay.js")).addReplay,
  impact: async () => (await import("./records/impact.js")).addImpact,
  review: async () => (await import("./records/review.js")).addReview,
  recommend: async () => (await import("./records/recommend.js")).addRecommend,
  profile: async () => (await import("./behavior/profile.js")).addProfile,
  guard: async () => (await import("./guard/guard.js")).addGuard,
  token: async () => (await import("./service/token.js")).addToken,
  console: async () => (await import("./service/console.js")).addConsole,
  completion: async () => (await import("./completion.js")).addCompletion,
  serve: async () => (await import("./service/serve.js")).addServe,
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
