/** `remit publish` and `remit bundles`: the bundle of a running service. */
import type { Command } from "commander";
import type { BundlesAnswer, PublishAnswer } from "../contract/index.js";
import { readGiven } from "../system/read_file.js";
import { Client, asking, type ServiceOptions } from "./client.js";
import { readable } from "./places.js";
import { sayJson, type Ui } from "./ui.js";

const TYPE = "application/vnd.openpolicyagent.bundles";

export function addPublish(program: Command, ui: Ui): void {
  asking(
    program
      .command("publish")
      .description("make a signed bundle the one that decides; needs `remit:publish`")
      .argument("<bundle>", "a .tar.gz")
      .requiredOption("--reason <text>", "why; on record"),
    `  $ remit publish support.tar.gz --reason "refunds up to 100"`,
  ).action(async (file: string, { reason, ...options }: ServiceOptions & { reason: string }) => {
    const bytes = { type: TYPE, content: readGiven(readable(file)) };
    const answer = await new Client(options).ask<PublishAnswer>("POST", "/bundles", { query: { reason }, bytes });
    if (options.json === true) sayJson(ui, { ok: true, ...answer });
    else ui.out(`${ui.paint("green", "decides now")}  ${words(answer.running)}`);
  });
}

export function addBundles(program: Command, ui: Ui): void {
  asking(
    program.command("bundles").description("show which bundle is wanted, which runs, and why they differ; needs `remit:publish`"),
    `  $ remit bundles`,
  ).action(async (options: ServiceOptions) => {
    const answer = await new Client(options).ask<BundlesAnswer>("GET", "/bundles");
    if (options.json === true) {
      sayJson(ui, { ok: true, ...answer });
      return;
    }
    const { name, wanted, running, refused } = answer;
    ui.out(ui.paint("bold", name));
    ui.out(`  runs      ${running === null ? "none: nothing is decided" : words(running)}`);
    ui.out(`  wanted    ${wanted === null ? "no file at the path" : wanted.identity === null ? "unreadable" : words(wanted.identity)}`);
    if (refused !== null) ui.out(`  ${ui.paint("red", "refused")}   ${refused.code}: ${refused.message} (${refused.at})`);
  });
}

function words({ bundle, revision, sequence, digest }: PublishAnswer["running"]): string {
  return `${bundle} ${revision}, sequence ${sequence}, ${digest}`;
}
