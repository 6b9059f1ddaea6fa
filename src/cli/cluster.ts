/** `remit cluster`: the cluster as one of its nodes sees it. */
import type { Command } from "commander";
import type { ClusterAnswer } from "../contract/index.js";
import { Client, asking, type ServiceFlags } from "./client.js";
import type { Exit } from "./exit.js";
import { sayTable } from "./show.js";
import { sayJson, type Ui } from "./ui.js";

export function addCluster(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const cluster = program.command("cluster").description("cluster: several services that decide on the same facts");

  asking(
    cluster.command("status").description("show a node's lease and the nodes that it sees; fails if it may not allow"),
    "  $ remit cluster status\n  $ remit cluster status --url http://127.0.0.1:8182 --json",
  ).action(async (options: ServiceFlags) => {
    const found = await new Client(options).ask<ClusterAnswer>("GET", "/cluster");
    const holds = found.lease_left_ms > 0;
    if (options.json === true) sayJson(ui, { ok: holds, ...found });
    else {
      const { name, node, lease_left_ms, ended, facts_revision, chain, feeds, nodes } = found;
      const lease = holds ? `its lease lasts for ${lease_left_ms} ms` : `it denies everything${ended === null ? "" : `: ${ended}`}`;
      ui.out(`${node} of ${name}: ${lease}; facts revision ${facts_revision}, chain ${chain.slice(0, 16)}`);
      const seen = feeds.map(({ feed, leader, silent_ms }) => [feed, leader ?? "", silent_ms === null ? "" : String(silent_ms)]);
      sayTable(ui, ["feed", "led by", "silent for ms"], seen);
      const rows = nodes.map((one) => [
        one.node,
        String(one.applied),
        one.version,
        one.bundle?.slice(0, 19) ?? "",
        String(one.seen_ms_ago),
      ]);
      sayTable(ui, ["node", "revision", "version", "bundle", "seen ms ago"], rows);
    }
    finish(holds ? "ok" : "failed");
  });
}
