/** `docs/benchmarks.md` and its plot. */
import { sectionsOf } from "./long_report.js";
import { judgedConnections, marks } from "./marks.js";
import type { Results } from "./results.js";
import { chart } from "./svg.js";

/** @param longRuns the page of long runs, whose figures of behaviour and of outside benchmarks are shown here too */
export function markdown(results: Results, longRuns: string): string {
  const { machine, repeats, seconds, open_seconds, sync_ms, closed, open, in_process: inside, memory } = results;
  const { packages, small, large } = inside.sizes;
  const met = marks(results);
  const paragraphs = [
    "# Benchmarks",
    `Written by \`make bench\`${results.quick ? " in a quick run, whose figures are rough," : ""} on ${machine.processor}, ${machine.cores} cores, ` +
      `${machine.memory_gib} GiB, Linux ${machine.kernel}, Node ${machine.node}. One \`fdatasync\` of 25 kB takes ${sync_ms.toFixed(2)} ms here. ` +
      "Run it yourself: absolute figures are a machine's own, trust the ratios.",
    "![Decisions a second, CPU a decision and tail latency of each server](benchmarks.svg)",
    "## What was wanted",
    table(
      ["", "wanted", "found", ""],
      "l-r-r-l",
      met.map(({ what, wanted, found, met: good }) => [what, wanted, found, good === null ? "—" : good ? "met" : "**not met**"]),
    ),
    "What is not met, and where the time goes instead: [speed.md](speed.md).",
    "## What is compared",
    "Every server decides the same actions of 1,000 support agents on the same facts, and is checked to answer alike before it is measured.",
    [
      "- **Remit**, as it ships: verifies a token, looks facts up, and answers after its record is on disk.",
      "- **OPA**, its own server on the same bundle. It is sent the facts in its input and checks no token; its console decision log is not synced. That bundle is shaped for WASM: hours are looked up in lists of weeks. `opa bench` takes 2.2 times as long on it (0.71 ms) as on the shape before it, which computed them (0.33 ms). Halve what is ahead of OPA here to know how far it would be ahead on a bundle shaped for OPA.",
      "- **Cerbos**, its own server over HTTP, without audit log. The policy is written in its language as faithfully as that allows (`bench/cerbos/`): allow and deny with codes; what is unknown, obligations and messages have no counterpart there.",
      "- **Floors**: a Node server that parses the body and gives a constant answer, and the same in Express.",
    ].join("\n"),
    "What it does under hostile requests, faults and four times its capacity is in [long-runs.md](long-runs.md), written by `make bench-long`.",
    "Each server has one core and the load generator, on raw sockets, the other. CPU is the kernel's accounting for all threads of the process.",
    "## Closed loop",
    `Every connection asks again once it is answered. ${runs(repeats, seconds)}`,
    table(
      ["connections", "server", "decisions/s", "CPU µs each", "p50 ms", "p99 ms", "RSS MB"],
      "r-l-r-r-r-r-r",
      closed.map(({ connections, name, rate, cpu_us, p50, p99, rss_mb }) => [
        ...[String(connections), name, rate.toFixed(0), cpu_us.toFixed(0)],
        ...[p50.toFixed(2), p99.toFixed(2), rss_mb.toFixed(0)],
      ]),
    ),
    "## Open loop",
    `Requests are due at a constant rate, whatever the server does, at a share of its own rate with ${judgedConnections(sync_ms)} connections above. ` +
      `Latency counts from when a request was due, so waiting behind a stall counts too. ${runs(repeats, open_seconds)}`,
    table(
      ["load", "server", "due/s", "p50 ms", "p99 ms", "p99.9 ms", "late or refused"],
      "r-l-r-r-r-r-r",
      open.map(({ share, name, rate, p50, p99, p999, failures }) => [
        ...[`${Math.round(share * 100)} %`, name, rate.toFixed(0), p50.toFixed(2), p99.toFixed(2)],
        ...[p999.toFixed(2), String(failures)],
      ]),
    ),
    "## Without HTTP",
    "Microseconds of CPU over all threads of a process; records in memory but for batches. " +
      `A small world has ${n(small.purposes)} purposes and ${n(small.agents)} agents with a task each, a large one ` +
      `${n(large.purposes)} and ${n(large.agents)}; both have ${n(packages)} packages of custom rules.`,
    table(
      ["", "CPU µs"],
      "l-r",
      [
        ["evaluation", inside.evaluate],
        ["`decide()`, evaluated in place", inside.decide],
        ["`decide()`, 64 under way, evaluated by the thread that can be stopped", inside.decide_threaded],
        ["an action in a batch of 100, 8 batches under way, records on disk", inside.batch_action],
        ["evaluation in a small world", inside.small_world.evaluate],
        ["evaluation in a large world", inside.large_world.evaluate],
        ["`decide()` in a small world", inside.small_world.decide],
        ["`decide()` in a large world", inside.large_world.decide],
      ].map(([what, value]) => [String(what), Number(value).toFixed(1)]),
    ),
    `Start to first decision with 1,000 agents and tasks in the store: ${results.first_decision_ms.toFixed(0)} ms, ` +
      `a median; ${results.first_start_ms.toFixed(0)} ms where it imports them first. RSS: ${memory.rss_mb.toFixed(0)} MB after ` +
      `${n(memory.decisions)} decisions over HTTP, the last ${n(memory.batched)} of them in batches of 100.`,
    ...behavior(longRuns),
    ...outside(longRuns),
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

function behavior(longRuns: string): string[] {
  const about =
    "What the profile of behaviour finds on recorded and simulated events, in brackets what other detectors find on the same; [behavior.md](behavior.md) says how it works.";
  return measured(longRuns, "behavior", "Behaviour", about);
}

function outside(longRuns: string): string[] {
  const about =
    "How much of the work that others recorded is allowed, and how much of their attacks stopped: suite or benchmark, set, level (A: purpose and trusted facts only, T: the instruction is known). What each of them means, how it decides, and what it can't tell: [outside.md](outside.md).";
  return measured(longRuns, "outside", "Benchmarks that others made", about);
}

/** As it was last measured; nothing where it never was. */
function measured(longRuns: string, run: string, title: string, about: string): string[] {
  const [, ...lines] = (sectionsOf(longRuns).get(run) ?? "").split("\n");
  return lines.length === 0 ? [] : [`## ${title}`, about, lines.join("\n").trim()];
}

export function plot({ sync_ms, closed, open }: Results): string {
  const judged = judgedConnections(sync_ms);
  const busiest = Math.max(...open.map(({ share }) => share));
  const rows = closed.filter(({ connections }) => connections === judged);
  const bar = (name: string, value: number) => ({ label: name, value, ours: name === "Remit" });
  return chart([
    {
      title: `Decisions a second, ${judged} connections (more is better)`,
      bars: rows.map((row) => bar(row.name, row.rate)),
    },
    { title: "CPU a decision, µs (less is better)", bars: rows.map((row) => bar(row.name, row.cpu_us)) },
    {
      title: `p99 at a constant ${Math.round(busiest * 100)} % of each one's own rate, ms (less is better)`,
      bars: open.filter(({ share }) => share === busiest).map((row) => bar(row.name, row.p99)),
    },
  ]);
}

/** Every bar of `alignment` is one column: `l` or `r`. */
function table(head: string[], alignment: string, rows: string[][]): string {
  const rule = alignment.split("-").map((side) => (side === "r" ? "--:" : "---"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function runs(repeats: number, seconds: number): string {
  const length = `${seconds} s`;
  return repeats === 1 ? `One run of ${length} each.` : `Medians of ${repeats} interleaved runs of ${length} each.`;
}

function n(value: number): string {
  return value.toLocaleString("en");
}
