/** A drill: everything is revoked, by who may and who may not, and it is undone. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { system } from "../../src/system/index.js";
import { EVERY, ask, decided, withAgent, type Asking, type Json } from "../http/asking.js";
import { run, tokenFor } from "../http/running.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const REVOKER = tokenFor("remit:decide remit:register remit:revoke remit:publish remit:audit");
const IMPORTER = tokenFor("remit:decide remit:register remit:revoke remit:publish remit:audit remit:admin");
const STOPPER = tokenFor("remit:revoke_all", "incident-desk");
const EVERYTHING = { scope: { everything: true }, reason: "drill 7" };
const LINE = `${JSON.stringify({ revocation: EVERYTHING })}\n`;
const jsonLines = (id: string, body: string): [path: string, asking: Asking] => [
  `/facts/import?id=${id}`,
  { body, headers: { "content-type": "application/jsonl" } },
];

threat("E9", "revoking everything has a right of its own, a reason, an alarm, and an end that is on record", {
  async check(tree) {
    const { startService } = await tree("service.js");
    const folder = mkdtempSync(join(tmpdir(), "remit-threat-"));
    const kept = { facts: { store: join(folder, "store") }, log: { dir: join(folder, "log") } };
    let service = await run(kept, true, system, startService);
    try {
      await withAgent(service);
      const metric = async (): Promise<string | undefined> =>
        /^remit_everything_revoked (\d)$/m.exec((await ask(service, "GET", "/metrics")).text)?.[1];
      const events = async (): Promise<Json[]> =>
        ((await ask(service, "GET", "/facts/events?key=revocation/everything")).body["items"] ?? []) as Json[];
      const state = async (): Promise<string> => [await decided(service), await metric(), (await events()).length].join();
      const yaml = 'revocations: {everything: {reason: "drill 7"}}\n';
      type Try = [what: string, path: string, asking: Asking, status: number];
      const refused = async (tries: readonly Try[]): Promise<string | null> => {
        const before = await state();
        for (const [what, path, asking, status] of tries) {
          const told = await ask(service, "POST", path, asking);
          if (told.status !== status) return `${what}: ${told.outcome}`;
          const now = await state();
          if (now !== before) return `${what}: it was ${before} and is ${now}`;
        }
        return null;
      };
      const beginnings: Try[] = [
        ["without the right", "/revocations", { body: EVERYTHING, token: REVOKER }, 403],
        ["without any right", "/revocations", { body: EVERYTHING, token: tokenFor("remit:decide") }, 403],
        ["without a token", "/revocations", { body: EVERYTHING, token: "" }, 401],
        ["without a reason", "/revocations", { body: { scope: EVERYTHING.scope }, token: STOPPER }, 400],
        ["with an empty reason", "/revocations", { body: { ...EVERYTHING, reason: "" }, token: STOPPER }, 400],
        ["as `false`", "/revocations", { body: { ...EVERYTHING, scope: { everything: false } }, token: REVOKER }, 400],
        ["beside another", "/revocations", { body: { ...EVERYTHING, scope: { everything: true, agent: "a-1" } }, token: REVOKER }, 400],
        ["something else with this right alone", "/revocations", { body: { scope: { agent: "a-1" }, reason: "r" }, token: STOPPER }, 403],
        ["in JSON Lines", ...withToken(jsonLines("I-1", LINE), IMPORTER), 403],
        [
          "in JSON Lines among others",
          ...withToken(jsonLines("I-2", `${JSON.stringify({ agent: { id: "a-9", owner: "o", purposes: [] } })}\n${LINE}`), IMPORTER),
          403,
        ],
        ["in YAML", "/facts/import?id=I-3", { body: yaml, token: IMPORTER, headers: { "content-type": "application/yaml" } }, 403],
        [
          "in a dry run",
          "/facts/import?dry_run=true",
          { body: yaml, token: IMPORTER, headers: { "content-type": "application/yaml" } },
          403,
        ],
      ];
      if ((await decided(service)) !== "allow permitted") return "nothing is revoked, and it was refused";
      const began = await refused(beginnings);
      if (began !== null) return began;

      const { status } = await ask(service, "POST", "/revocations", { body: EVERYTHING, token: STOPPER });
      if (status !== 200) return `with the right: ${status}`;
      if ((await decided(service)) !== "deny everything_revoked") return "it was revoked, and something is allowed";
      if ((await metric()) !== "1") return "the metrics don't say so";
      if (!/"everything is revoked","by":"incident-desk","reason":"drill 7"/.test(service.said()))
        return "the operational log doesn't say who, and why";

      const over = { body: { reason: "over" } };
      const ended = await refused([
        ["undone without the right", "/revocations/everything/lift", { ...over, token: REVOKER }, 403],
        ["undone without a reason", "/revocations/everything/lift", { body: {}, token: STOPPER }, 400],
        ["undone by another path", "/revocations/everything//lift", { ...over, token: REVOKER }, 404],
        ["undone by a path of the others", "/revocations/everything/x/lift", { ...over, token: REVOKER }, 404],
        ["undone by an empty name", "/revocations/everything/%20/lift", { ...over, token: REVOKER }, 404],
        [
          "undone by a change that is old",
          "/revocations/everything/lift",
          { ...over, token: STOPPER, headers: { "if-match": '"1"' } },
          412,
        ],
      ]);
      if (ended !== null) return ended;
      const lifted = await ask(service, "POST", "/revocations/everything/lift", { ...over, token: STOPPER });
      if (lifted.status !== 200) return `undone with the right: ${lifted.outcome}`;
      if ((await decided(service)) !== "allow permitted") return "it was undone, and nothing is allowed";
      if ((await metric()) !== "0") return "the metrics don't say that it is over";
      if (!/"the revocation of everything is lifted","by":"incident-desk","reason":"over"/.test(service.said()))
        return "the operational log doesn't say that it is over";
      const told = (await events()).map(({ change, by, reason }) => [change, by, reason].join()).join("; ");
      if (told !== "revoked,incident-desk,drill 7; revocation_lifted,incident-desk,over") return `the events are ${told}`;

      const imported = await ask(service, "POST", ...withToken(jsonLines("I-4", LINE), EVERY));
      await service.stop();
      service = await run(kept, true, system, startService);
      if (!/"everything is revoked","by":"gateway-1","reason":"drill 7"/.test(service.said()))
        return "a service that starts doesn't say so";
      return (await decided(service)) === "deny everything_revoked" ? null : `imported with the right: ${imported.outcome}`;
    } finally {
      await service.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  // prettier-ignore
  without: {
    "the right to revoke everything": [cut.never("http/routes/revocations.js", "postRevocations.handle", "everything")],
    "the right in an import": [cut.never("http/routes/facts.js", "postImport.handle", "revokesEverything")],
    "the right to undo it": [cut.text("http/routes/revocations.js", "liftRevocationOfEverything", '"remit:revoke_all"', '"remit:revoke"')],
    "the alarm in the log": [cut.always("service.js", "startService", "key")],
    "the alarm at a start": [cut.never("service.js", "startService", "stopped")],
    "the alarm in the metrics": [cut.call("service.js", "startService", "facts.revoked", "false")],
    "an end that is a change of its own": [cut.call("facts/commands.js", "lift", "#change", "this.#change(key, value, { by, reason }, \"revoked\")")],
  },
});

function withToken([path, asking]: [string, Asking], token: string): [string, Asking] {
  return [path, { ...asking, token }];
}
