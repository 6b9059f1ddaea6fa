#!/usr/bin/env node
/** The `remit` command of an auditor, who needs no service: bundles and records are verified, searched, replayed and reviewed. */
import { main } from "./program.js";

const COMMANDS = {
  verify: async () => (await import("./policy/verify.js")).addVerify,
  inspect: async () => (await import("./policy/inspect.js")).addInspect,
  audit: async () => (await import("./records/audit/index.js")).addAudit,
  replay: async () => (await import("./records/replay.js")).addReplay,
  impact: async () => (await import("./records/impact.js")).addImpact,
  review: async () => (await import("./records/review.js")).addReview,
  recommend: async () => (await import("./records/recommend.js")).addRecommend,
};

await main(COMMANDS, import.meta.url);
