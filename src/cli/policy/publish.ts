/** `remit publish` and `remit bundles`: the bundle of a running service. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import type { BundlesAnswer, PublishAnswer, StagedBundle } from "../../contract/index.js";
import { readGiven } from "../../system/read_file.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import { sayDifferent } from "../service/cluster.js";
import { CliError } from "../exit.js";
import { readable } from "../places.js";
import { sayJson, type Ui } from "../ui.js";

const TYPE = "application/vnd.openpolicyagent.bundles";

export function addPublish(program: Command, ui: Ui): void {
  asking(
    program
      .command("publish")
      .description("make a signed bundle the one that decides; needs `remit:publish`")
      .argument("<bundle>", "a .tar.gz")
      .requiredOption("--reason <text>", "why; on record")
      .option("--stage <share>", "try it beside the running one: `shadow`, or the percentage of the agents that it decides for (1 to 99)")
      .option("--back <bundle>", "keep this one as the way back, once the first decides: see `remit bundles --go-back`"),
    `  $ remit publish support.tar.gz --reason "refunds up to 100"
  $ remit publish support.tar.gz --reason "refunds up to 100" --stage shadow
  $ remit publish support.tar.gz --reason "refunds up to 100" --back support.back.tar.gz`,
  ).action(async (file: string, { reason, stage, back, ...options }: ServiceFlags & PublishOptions) => {
    if (back !== undefined && stage !== undefined)
      throw new CliError("usage", "--back needs a bundle that decides for all", "leave out --stage");
    const client = new Client(options);
    const send = (path: string, as?: string): Promise<PublishAnswer> => {
      const query = { reason, ...(as !== undefined && { stage: as }) };
      return client.ask<PublishAnswer>("POST", "/bundles", { query, bytes: { type: TYPE, content: readGiven(readable(path)) } });
    };
    // Both are read first: a way back that can't be read is known before anything is activated.
    if (back !== undefined) readable(back);
    const published = await send(file, stage);
    if (options.json !== true) sayPublished(ui, published);
    const kept = back === undefined ? null : await send(back, "back");
    if (options.json === true) sayJson(ui, { ok: true, ...published, ...(kept !== null && { back: kept.back }) });
    else if (kept !== null) sayPublished(ui, kept);
  });
}

interface PublishOptions {
  reason: string;
  stage?: string;
  back?: string;
}

function sayPublished(ui: Ui, { running, staged, back, in_force, fleet }: PublishAnswer): void {
  const everywhere = in_force === "fleet";
  if (staged !== null) ui.out(`${ui.paint("green", everywhere ? "staged on every node" : "staged")}  ${words(staged)}`);
  else if (back !== null) ui.out(`${ui.paint("green", "kept as the way back")}  ${words(back)}`);
  else ui.out(`${ui.paint("green", everywhere ? "decides on every node" : "decides now")}  ${words(running)}`);
  if (fleet === undefined || fleet.waiting_for.length === 0) return;
  const what = staged === null ? "it may not decide yet" : "it may not be tried yet";
  ui.err(`${ui.paint("yellow", "warning:")} ${what} on ${fleet.waiting_for.join(", ")}; \`remit bundles\` says when it is`);
}

export function addBundles(program: Command, ui: Ui): void {
  asking(
    program
      .command("bundles")
      .description("show which bundle is wanted, which runs, and why they differ; needs `remit:publish`")
      .option("--digest <digest>", "with --out: the archive of this one, active or of the last `bundle.kept`")
      .option("--out <file>", "write the archive of the active bundle there instead, or that of --digest")
      .option("--drop-staged <reason>", "end the stage of a bundle first; the reason is on record")
      .option("--go-back <reason>", "activate the way back first: the earlier policy that is kept for it; the reason is on record"),
    `  $ remit bundles
  $ remit bundles --digest sha256:9f2c… --out then.tar.gz
  $ remit bundles --drop-staged "denies what support needs"
  $ remit bundles --go-back "refunds were let through"`,
  ).action(async ({ dropStaged, goBack, digest, out, ...options }: ServiceFlags & BundlesOptions) => {
    if (out === undefined && digest !== undefined) throw new CliError("usage", "--digest needs --out", "name the file to write");
    if (out !== undefined) {
      await download(ui, new Client(options), digest, out, options.json === true);
      return;
    }
    if (dropStaged !== undefined) await new Client(options).ask("POST", "/bundles/staged/drop", { query: { reason: dropStaged } });
    if (goBack !== undefined) await goBackTo(new Client(options), goBack);
    const answer = await new Client(options).ask<BundlesAnswer>("GET", "/bundles");
    if (options.json === true) {
      sayJson(ui, { ok: true, ...answer });
      return;
    }
    const { name, wanted, running, refused, staged, back, source, fleet } = answer;
    ui.out(ui.paint("bold", name));
    ui.out(`  runs      ${running === null ? "none: nothing is decided" : words(running)}`);
    ui.out(`  wanted    ${wanted === null ? "no file at the path" : wanted.identity === null ? "unreadable" : words(wanted.identity)}`);
    if (source !== null)
      ui.out(`  source    ${source.url}, ${source.failing ?? (source.silent_ms === null ? "not asked yet" : "answers")}`);
    if (staged !== null) sayStaged(ui, staged);
    if (back !== null) ui.out(`  way back  ${words(back.identity)}, the policy of sequence ${back.of.sequence}`);
    if (fleet !== undefined) sayDifferent(ui, fleet);
    if (refused !== null) ui.out(`  ${ui.paint("red", "refused")}   ${refused.code}: ${refused.message} (${refused.at})`);
  });
}

interface BundlesOptions {
  dropStaged?: string;
  goBack?: string;
  digest?: string;
  out?: string;
}

/** Activates the way back that the service shows now. @throws CliError if nothing is kept as one */
async function goBackTo(client: Client, reason: string): Promise<void> {
  const { back } = await client.ask<BundlesAnswer>("GET", "/bundles");
  if (back === null)
    throw new CliError("missing", "no way back is kept", "sign the earlier bundle with `remit republish`, and `remit publish` it");
  await client.ask("POST", "/bundles/back", { query: { reason, digest: back.identity.digest } });
}

async function download(ui: Ui, client: Client, digest: string | undefined, file: string, json: boolean): Promise<void> {
  const { name } = await client.ask<Pick<BundlesAnswer, "name">>("GET", "/bundles");
  const answer = await client.open("GET", `/bundles${pathOf(name)}`, { query: { digest } });
  const bytes = Buffer.from(await answer.arrayBuffer());
  writeFileSync(file, bytes);
  if (json) sayJson(ui, { ok: true, file, bytes: bytes.length });
  else ui.out(`${ui.paint("green", "wrote")}  ${file}, ${bytes.length} bytes`);
}

function sayStaged(ui: Ui, { identity, share, compared, flips, other_reasons, errors, differences, missing = [] }: StagedBundle): void {
  ui.out(`  staged    ${words(identity)}`);
  ui.out(`            ${share === 0 ? "in shadow" : `decides for ${share} % of the agents`}`);
  ui.out(`            ${compared} compared, ${flips} differ, ${other_reasons} have other reasons, ${errors} failed`);
  if (missing.length > 0) ui.out(`            ${ui.paint("yellow", "not counted")}: what ${missing.join(", ")} decided`);
  for (const { from, to, reason, agent, count } of differences) ui.out(`            ${count} × ${from} → ${to}, ${reason}, ${agent}`);
}

function words({ bundle, revision, sequence, digest }: PublishAnswer["running"]): string {
  return `${bundle} ${revision}, sequence ${sequence}, ${digest}`;
}
