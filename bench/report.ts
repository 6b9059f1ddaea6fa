/** `docs/benchmarks.md`: first where Remit loses, then what was wanted of it, then everything. */
import { marks, type Mark } from "./marks.js";
import { closedRounds, middle, ratio, REMIT, type Results, type Round, type Spread } from "./results.js";

/** Peers, which one might run instead; the rest are floors, or another engine on our bundle. */
const isPeer = (engine: string): boolean => /^(OPA|OPA, console decision log|Cerbos, .*)$/.test(engine);
/** Share of a core from which on a closed loop may have measured its generator. */
const GENERATOR_BUSY = 0.9;

export function markdown(results: Results): string {
  const { machine, quick, rounds, seconds, sync_ms: sync, in_process: inside, batch, memory } = results;
  const paragraphs = [
    "# Benchmarks",
    `Written by \`make bench\`${quick ? " in a quick run, whose figures are rough," : ""} on ${machine.processor}, ${machine.cores} cores, ` +
      `${machine.memory_gib} GiB, Linux ${machine.kernel}, Node ${machine.node}. Absolute figures are a machine's own; the ratios say more.`,
    ...(results.load_before > LOAD_MAX
      ? [
          `**Other processes used this machine: its load average was ${amount(results.load_before)} before the run began. Rates and latencies below are not to be trusted.**`,
        ]
      : []),
    "## Where Remit loses",
    ...losses(results),
    "## Marks",
    "A run fails where a gate is missed. Ratios are medians over rounds of what was measured within one round, with the least and the most in brackets.",
    table(["", "aim", "gate", "found", ""], "l-r-r-r-l", marks(results).map(markCells)),
    "What is missed, and where the time goes instead: `bench/notes/speed.md`.",
    ...closedTables(results),
    "## Open loop",
    "Requests are due at a constant rate, whatever the engine does: a share of its own rate with 64 connections, pinned. " +
      "Latency counts from when a request was due, so waiting behind a stall counts too.",
    openTable(results),
    "## Remit by thread",
    "Microseconds of CPU a decision, pinned.",
    threadsTable(results),
    "## Without HTTP, and over time",
    `Microseconds of CPU over all threads. A small world has ${n(inside.sizes.small.purposes)} purposes and ${n(inside.sizes.small.agents)} agents, ` +
      `a large one ${n(inside.sizes.large.purposes)} and ${n(inside.sizes.large.agents)}; both have ${n(inside.sizes.packages)} packages of custom rules.`,
    table(["", "found"], "l-r", [
      ["evaluation, µs", amount(inside.evaluate)],
      ["evaluation in a small world, in a large one, µs", `${amount(inside.small_world.evaluate)}, ${amount(inside.large_world.evaluate)}`],
      ["whole `decide()`, µs", amount(inside.decide)],
      [
        "whole `decide()` in a small world, in a large one, µs",
        `${amount(inside.small_world.decide)}, ${amount(inside.large_world.decide)}`,
      ],
      [
        "action in a batch of 100 over HTTP, until its record is on disk; with the index, µs",
        `${amount(batch.recorded_us)}; ${amount(batch.indexed_us)}`,
      ],
      ["start to first decision, ms", amount(results.first_decision_ms)],
      [`RSS after ${n(memory.decisions)} decisions, MB`, amount(memory.rss_mb)],
    ]),
    "## How it is measured",
    `**The world** follows from one seed (${results.seed}): 1,000 agents, 50 purposes, a task for each purpose of each agent, 10,000 requests of which 70 % ` +
      "are to be allowed, 10 % denied and 20 % flagged (`bench/comparison/world.ts`).",
    `**The oracle** is a plain function that belongs to none of the engines; the rules are at its top, in words (\`bench/comparison/oracle.ts\`). ` +
      `Before anything is timed every engine answers every request, and a single answer that differs ends the run (here: ${n(results.checked)} answers compared).`,
    "**Each engine has the policy that a good author of that engine would write.**",
    [
      "- **Remit**, as it ships: a purpose file, a bearer token verified, facts looked up, the behaviour profile on, an answer only when its record is on disk. Behaviour logs and changes no decision, since a load of thousands a second is unusual for anyone.",
      "- **OPA**, its own server: fifty lines of Rego on agents, purposes and tasks as data (`bench/comparison/policy.rego`). It checks no token and keeps no records; with its console decision log it writes a line for each decision, which isn't synced.",
      "- **Cerbos**, its own server without audit log: a resource policy for each type, purposes as roles, flags as outputs. It keeps no facts: they are in each request. It checks no token.",
      "- **OPA, on Remit's bundle**: asked what Remit's policy was asked, facts included. That bundle is written for WASM, and OPA's interpreter is slow on it: a curiosity, not a comparison.",
      "- **Node + opa-wasm, bare**: OPA's policy compiled to WASM, evaluated in the turn in which the body came; no token, no records, no limits. **Node, constant answer**: the body parsed and a constant sent back; the one that nobody can check.",
    ].join("\n"),
    `**The load** comes from sockets of a process of its own (\`bench/load.ts\`), ${rounds === 1 ? "in one round" : `in ${rounds} rounds`} of ${seconds} s in which every engine has its turn, ` +
      "after a warm-up. Pinned, the server has one core and the generator the other; not pinned, both have all cores. CPU is the kernel's for all threads of " +
      "a process, until it rests again. Rates with ≥ are those at which the generator was busy for nine tenths of its core or more: the engine could do better.",
    `**The disk** takes ${sync.toFixed(2)} ms for one \`fdatasync\` of 25 kB. What stands in the marks beside the comparison comes from short runs of programs ` +
      "that `bench/notes/long_runs.md` has in full.",
    "## Run it",
    "```console\n$ make bench                 # about ten minutes, and rewrites this page\n$ make bench BENCH=--quick   # two minutes, rough, and leaves this page alone\n```",
    "It needs Linux and two cores, and fetches Cerbos from npm once; without it the run goes on without Cerbos. Leave the machine alone meanwhile.",
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

/** Load average beyond which other processes took part in what was measured. */
const LOAD_MAX = 0.5;

/** One figure in one setting. */
interface Case {
  setting: string;
  figure: string;
  key: keyof Round;
  better: Mark["better"];
  roundsOf: (engine: string) => Round[] | undefined;
}

function losses(results: Results): string[] {
  const peers = [...new Set(results.closed.map(({ engine }) => engine))].filter(isPeer);
  const rows = casesOf(results).flatMap(({ setting, figure, key, better, roundsOf }) => {
    const ours = roundsOf(REMIT);
    const cells = peers.map((peer) => {
      const theirs = roundsOf(peer);
      if (ours === undefined || theirs === undefined) return "";
      const found = ratio(ours, theirs, key);
      return (better === "more" ? found.median < 1 : found.median > 1) ? spread(found) : "";
    });
    return cells.some((cell) => cell !== "") ? [[setting, figure, ...cells]] : [];
  });
  const bare = ["Node + opa-wasm, bare"].flatMap((engine) => {
    const [ours, theirs] = [closedRounds(results, REMIT, 64, true), closedRounds(results, engine, 64, true)];
    return ours === undefined || theirs === undefined ? [] : [ratio(theirs, ours, "rate")];
  });
  const missed = marks(results).filter(({ met }) => met === "missed");
  return [
    rows.length === 0
      ? "Against no peer in no setting measured here."
      : "What Remit has of each peer's, wherever that is worse: less of its decisions a second, or more of its CPU, latency and memory. Where a cell is empty Remit is ahead or level, or was not measured.",
    ...(rows.length === 0 ? [] : [table(["", "", ...peers.map((peer) => `× ${peer}`)], `l-l${"-r".repeat(peers.length)}`, rows)]),
    ...bare.map(
      (found) =>
        `A bare Node server that evaluates OPA's policy in WASM answers ${spread(found)} times as many at 64 connections: that is what all around an evaluation costs here.`,
    ),
    missed.length === 0 ? "No gate is missed." : `${missed.length} of ${marks(results).length} gates below are missed.`,
  ];
}

function casesOf(results: Results): Case[] {
  const closed = settings(results).flatMap(({ connections, pinned }): Case[] => {
    const common = {
      setting: `${connections} connection${connections === 1 ? "" : "s"}, ${pinned ? "pinned" : "not pinned"}`,
      roundsOf: (engine: string) => closedRounds(results, engine, connections, pinned),
    };
    return [
      { ...common, figure: "decisions/s", key: "rate", better: "more" },
      { ...common, figure: "CPU a decision", key: "cpu_us", better: "less" },
      { ...common, figure: "p99", key: "p99", better: "less" },
    ];
  });
  const open = [...new Set(results.open.map(({ share }) => share))].flatMap((share): Case[] => {
    const common = {
      setting: `${percent(share)} of its own rate`,
      roundsOf: (engine: string) => results.open.find((row) => row.engine === engine && row.share === share)?.rounds,
    };
    return [
      { ...common, figure: "p50", key: "p50", better: "less" },
      { ...common, figure: "p99", key: "p99", better: "less" },
    ];
  });
  const last = settings(results).at(-1);
  const memory: Case[] =
    last === undefined
      ? []
      : [
          {
            setting: "after the closed loops",
            figure: "RSS",
            key: "rss_mb",
            better: "less",
            roundsOf: (engine) => closedRounds(results, engine, last.connections, last.pinned),
          },
        ];
  return [...closed, ...open, ...memory];
}

function settings({ closed }: Results): { connections: number; pinned: boolean }[] {
  const found = new Map(closed.map(({ connections, pinned }) => [`${connections} ${pinned}`, { connections, pinned }]));
  return [...found.values()];
}

function markCells({ what, better, gate, aim, found, met }: Mark): string[] {
  const sign = better === "more" ? "≥" : "≤";
  const verdict = met === null ? "not measured" : met === "missed" ? "**gate missed**" : met === "gate" ? "gate met" : "aim met";
  return [what, `${sign} ${aim}`, `${sign} ${gate}`, met === null ? "—" : spread(found), verdict];
}

function closedTables(results: Results): string[] {
  return [true, false].flatMap((isPinned) => {
    const rows = results.closed.filter(({ pinned }) => pinned === isPinned);
    if (rows.length === 0) return [];
    return [
      isPinned ? "## Closed loop, pinned" : "## Closed loop, not pinned",
      isPinned ? "Every connection asks again once it is answered." : "The generator takes its share of the same cores.",
      table(
        ["connections", "engine", "decisions/s", "CPU µs each", "p50 ms", "p99 ms", "RSS MB", "decisions/s, Remit's ÷ its"],
        "r-l-r-r-r-r-r-r",
        rows.map(({ connections, engine, rounds }) => {
          const ours = closedRounds(results, REMIT, connections, isPinned);
          const bound = middle(rounds, "generator") >= GENERATOR_BUSY ? "≥ " : "";
          return [
            ...[String(connections), engine, bound + middle(rounds, "rate").toFixed(0), middle(rounds, "cpu_us").toFixed(0)],
            ...[middle(rounds, "p50").toFixed(2), middle(rounds, "p99").toFixed(2), middle(rounds, "rss_mb").toFixed(0)],
            engine === REMIT || ours === undefined ? "" : spread(ratio(ours, rounds, "rate")),
          ];
        }),
      ),
    ];
  });
}

function openTable({ open }: Results): string {
  return table(
    ["load", "engine", "due/s", "p50 ms", "p99 ms", "p99.9 ms", "late or refused"],
    "r-l-r-r-r-r-r",
    open.map(({ share, engine, due, rounds }) => [
      ...[percent(share), engine, due.toFixed(0), middle(rounds, "p50").toFixed(2), middle(rounds, "p99").toFixed(2)],
      ...[middle(rounds, "p999").toFixed(2), String(rounds.reduce((sum, { failures }) => sum + failures, 0))],
    ]),
  );
}

function threadsTable({ threads }: Results): string {
  const names = [...new Set(threads.flatMap(({ us }) => Object.keys(us)))];
  const rows = names.map((name) => [name, ...threads.map(({ us }) => (us[name] ?? 0).toFixed(1))]);
  const sums = threads.map(({ us }) =>
    Object.values(us)
      .reduce((sum, one) => sum + one, 0)
      .toFixed(1),
  );
  const heads = threads.map(({ connections }) => `${connections} connection${connections === 1 ? "" : "s"}`);
  return table(["", ...heads], `l${"-r".repeat(threads.length)}`, [...rows, ["all", ...sums]]);
}

/** Every bar of `alignment` is one column: `l` or `r`. */
function table(head: string[], alignment: string, rows: string[][]): string {
  const rule = alignment.split("-").map((side) => (side === "r" ? "--:" : "---"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function spread({ median, least, most }: Spread): string {
  return least === most ? amount(median) : `${amount(median)} (${amount(least)}-${amount(most)})`;
}

function amount(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function n(value: number): string {
  return value.toLocaleString("en");
}
