export * from "./decision.js";
export * from "./input.js";
export * from "./policy.js";
export * from "./problem.js";
export * from "./reasons.js";
export * from "./schema.js";
export * from "./scopes.js";
