/** A helpdesk in a browser: a service on the template's policy, whose bundles are built and signed here, so that there are candidates. */
import { createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Answer } from "../../src/contract/index.js";
import { republishBundle } from "../../src/bundle/republish.js";
import { keyId } from "../../src/bundle/signature.js";
import { KEY, type Changes } from "../build/support.js";
import { bundleOf } from "../replay/desk.js";
import { ConsoleBrowser } from "./browser.js";

/** Candidate that no longer lets accounts be read. */
export const STRICTER: Changes = {
  "purposes.yaml": (text: string): string =>
    text.replace("- { read: [incident, account], about: task }", "- { read: incident, about: task }"),
};
/** Policy that masks two values, one of which a rule reads. */
export const MASKING: Changes = {
  "vocabulary.yaml": (text: string): string =>
    text
      .replace("arguments: { notify: email }", "arguments: { notify: email, note: { masked: integer } }")
      .replace("recovery_email: email", "recovery_email: { masked: email }"),
};

export class Helpdesk {
  private constructor(
    readonly browser: ConsoleBrowser,
    readonly folder: string,
  ) {}

  /**
   * Opens a service that runs the template's bundle with changes, and a browser in which somebody is signed in.
   * @param kept bundles that the service keeps
   */
  static async open(suite: Mocha.Context | null, changes: Changes = {}, kept = 8): Promise<Helpdesk> {
    const { content, archive } = await bundleOf(changes);
    let folder = "";
    const browser = await ConsoleBrowser.open(suite, {
      agents: 0,
      service: {
        bundle: { name: content.identity.bundle, path: "bundle.tar.gz", keys: ["bundle.pub.pem"], state_dir: "state", kept },
      },
      prepare: (at) => {
        folder = at;
        writeFileSync(join(at, "bundle.tar.gz"), archive);
        writeFileSync(join(at, "bundle.pub.pem"), createPublicKey(KEY).export({ type: "spki", format: "pem" }));
      },
    });
    const helpdesk = new Helpdesk(browser, folder);
    const { desk } = browser.desk;
    await desk.ask("POST", "/agents", { id: "helpdesk-3", owner: "it@example.com", purposes: ["it_helpdesk"] });
    const expires = new Date(desk.clock.wall() + 86_400_000).toISOString();
    const subjects = { incident: ["INC-81"], employee: ["ada"] };
    const task = { id: "T-1", agent: "helpdesk-3", purpose: "it_helpdesk", subjects, attributes: { urgency: "normal" }, expires };
    const { outcome } = await desk.ask("POST", "/tasks", task);
    if (outcome !== "201") throw new Error(outcome);
    return helpdesk;
  }

  /** Asks whether the helpdesk's agent may do something to an account. */
  async decide(more: object = {}): Promise<Answer> {
    const asked = {
      ...{ agent: "helpdesk-3", purpose: "it_helpdesk", task: "T-1", verb: "read" },
      ...{ resource: { type: "account", id: "ada", attributes: { owner: "ada" } }, ...more },
    };
    const { body, outcome } = await this.browser.desk.desk.ask("POST", "/decide", asked);
    if (outcome !== "200") throw new Error(`${outcome}: ${JSON.stringify(body)}`);
    return body as unknown as Answer;
  }

  /** Writes a candidate's archive. @returns its path */
  async candidate(changes: Changes, sequence: number): Promise<string> {
    const path = join(this.folder, `next-${sequence}.tar.gz`);
    writeFileSync(path, (await bundleOf(changes, sequence)).archive);
    return path;
  }

  /** Returns the bundle that ran first, its content signed again under a later sequence. */
  async back(sequence: number): Promise<Buffer> {
    const { archive } = await bundleOf({});
    const keys = new Map([[keyId(KEY), createPublicKey(KEY)]]);
    const builtMs = this.browser.desk.desk.clock.wall();
    return (await republishBundle(archive, { key: KEY, keys, sequence, expiresMs: null, builtMs })).archive;
  }

  /** Publishes a bundle, keeps it as the way back, or has it asked beside the one that runs. */
  async publish(archive: Buffer, stage?: "back" | "shadow"): Promise<void> {
    const { desk } = this.browser.desk;
    const headers = { authorization: `Bearer ${desk.token("remit:publish")}`, "content-type": "application/gzip" };
    const path = `/bundles${stage === undefined ? "" : `?stage=${stage}`}`;
    const answer = await fetch(`${desk.service.url}${path}`, { method: "POST", headers, body: new Uint8Array(archive) });
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
  }
}
