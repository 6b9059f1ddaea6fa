#!/usr/bin/env node
/** The `remit` command of an auditor, who needs no service: bundles and records are verified, searched, replayed and reviewed. */
import { main } from "./program.js";

const COMMANDS = {
  verify: async () => (await import("./verify.js")).addVerify,
  inspect: async () => (await import("./inspect.js")).addInspect,
  audit: async () => (await import("./audit/index.js")).addAudit,
  replay: async () => (await import("./replay.js")).addReplay,
  impact: async () => (await import("./impact.js")).addImpact,
  review: async () => (await import("./review.js")).addReview,
  recommend: async () => (await import("./recommend.js")).addRecommend,
};

await main(COMMANDS, import.meta.url);
