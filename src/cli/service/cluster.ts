/** `remit cluster`: the cluster as one of its nodes sees it. */
import type { Command } from "commander";
import type { ClusterAnswer, DismissNode, FleetBundlesAnswer, NamedBundle } from "../../contract/index.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import type { Exit } from "../exit.js";
import { sayTable } from "../facts/show.js";
import { sayJson, type Ui } from "../ui.js";

export function addCluster(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const cluster = program.command("cluster").description("cluster: several services that decide on the same facts");

  asking(
    cluster.command("status").description("show a node's lease and the nodes that it sees; fails if it may not allow"),
    "  $ remit cluster status\n  $ remit cluster status --url http://127.0.0.1:8182 --json",
  ).action(async (options: ServiceFlags) => {
    const found = await new Client(options).ask<ClusterAnswer>("GET", "/cluster");
    const holds = found.lease_left_ms > 0;
    if (options.json === true) sayJson(ui, { ok: holds, ...found });
    else sayStatus(ui, found, holds);
    finish(holds ? "ok" : "failed");
  });

  asking(
    cluster
      .command("leave")
      .description("say that a node won't come back, once its lease is over; searches no longer miss it")
      .argument("<node>", "its name")
      .requiredOption("--reason <text>", "why; kept on record"),
    '  $ remit cluster leave c --reason "its machine is gone"',
  ).action(async (node: string, { reason, ...options }: ServiceFlags & { reason: string }) => {
    const body: DismissNode = { reason };
    await new Client(options).open("POST", `/cluster/nodes${pathOf(node)}/leave`, { body });
    if (options.json === true) sayJson(ui, { ok: true, node });
    else
      ui.out(`${ui.paint("green", "left")}  ${node} counts as gone; should it run after all, it allows nothing until it is started again`);
  });
}

function sayStatus(
  ui: Ui,
  { name, node, lease_left_ms, ended, facts_revision, chain, feeds, nodes, silent, bundles, lessons }: ClusterAnswer,
  holds: boolean,
): void {
  const lease = holds ? `its lease lasts for ${lease_left_ms} ms` : `it denies everything${ended === null ? "" : `: ${ended}`}`;
  ui.out(`${node} of ${name}: ${lease}; facts revision ${facts_revision}, chain ${chain.slice(0, 16)}`);
  const read = feeds.map(({ feed, leader, silent_ms }) => [feed, leader ?? "", silent_ms === null ? "" : String(silent_ms)]);
  sayTable(ui, ["feed", "led by", "silent for ms"], read);
  const rows = [...nodes, ...silent].map((one) => [
    one.node,
    nodes.includes(one) ? "live" : "silent",
    String(one.applied),
    one.version,
    one.bundle?.slice(0, 19) ?? "none",
    one.bundle_since ?? "",
    String(one.seen_ms_ago),
    String(lessons?.nodes.find((other) => other.node === one.node)?.behind_ms ?? ""),
  ]);
  sayTable(ui, ["node", "state", "revision", "version", "bundle", "bundle since", "seen ms ago", "learned ms ago"], rows);
  if (lessons === null) ui.out("this node learns nothing of what is usual, and lets nobody back");
  else if (lessons.late > 0) ui.out(`${lessons.late} actions came too late to be learned here`);
  sayDifferent(ui, bundles);
  if (silent.length > 0)
    ui.err(
      `${ui.paint("yellow", "warning:")} silent: ${silent.map((one) => one.node).join(", ")}; ` +
        "`remit cluster leave <node>` says that one won't come back",
    );
}

/** Nodes that run different bundles, if they do. */
export function sayDifferent(ui: Ui, { differ_ms, running, named }: FleetBundlesAnswer): void {
  if (named !== undefined) sayNamed(ui, named);
  if (differ_ms === null) return;
  ui.err(`${ui.paint("yellow", "warning:")} nodes have run different bundles for ${Math.round(differ_ms / 1000)} s:`);
  for (const { digest, nodes, since } of running)
    ui.err(`  ${digest?.slice(0, 19) ?? "none"}  ${nodes.join(", ")}${since === null ? "" : `, since ${since}`}`);
}

function sayNamed(ui: Ui, named: NonNullable<FleetBundlesAnswer["named"]> | null): void {
  if (named === null) {
    ui.out("the feed names no bundle yet");
    return;
  }
  const { waiting_for, behind_ms, failing, staged } = named;
  ui.out(`the feed names ${said(named)}`);
  const warning = ui.paint("yellow", "warning:");
  if (waiting_for.length > 0) ui.err(`${warning} nodes that decide by another: ${waiting_for.join(", ")}`);
  if (behind_ms !== null)
    ui.err(
      `${warning} this node has been without it for ${Math.round(behind_ms / 1000)} s${failing === null ? "" : `: ${failing.code}, ${failing.message}`}`,
    );
  if (staged === null) return;
  const { share, waiting_for: untried, failing: why } = staged;
  ui.out(`it has staged ${said(staged)}; ${share === 0 ? "in shadow" : `it decides for ${share} % of the agents`}`);
  if (untried.length > 0) ui.err(`${warning} nodes that don't try it: ${untried.join(", ")}`);
  if (why !== null) ui.err(`${warning} this node can't try it: ${why.code}, ${why.message}`);
}

function said({ digest, sequence, since, by, reason }: Pick<NamedBundle, "digest" | "sequence" | "since" | "by" | "reason">): string {
  return `sequence ${sequence}, ${digest.slice(0, 19)}, since ${since}, by ${by}${reason === null ? "" : `: ${reason}`}`;
}
