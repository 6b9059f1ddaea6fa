/** Workers of pages that evaluate policies. `new Worker` takes no plain text where Trusted Types are enforced: only these scripts pass. */

interface ScriptPolicy {
  createScriptURL(url: string): string;
}
declare const trustedTypes: { createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy } | undefined;

const SCRIPT = /^(?:\/assets\/|assets\/)(?:playground|replay)-worker-[A-Z0-9]{8}\.js$/;
const rules: ScriptPolicy = {
  createScriptURL(url) {
    if (!SCRIPT.test(url)) throw new TypeError("not a script of a worker of this page");
    return url;
  },
};
let policy: ScriptPolicy | null = null;

/** Starts a worker. @throws TypeError for any script but those of the page */
export function startWorker(url: string): Worker {
  policy ??= typeof trustedTypes === "undefined" ? rules : trustedTypes.createPolicy("remit-worker", rules);
  return new Worker(policy.createScriptURL(url), { type: "module" });
}
