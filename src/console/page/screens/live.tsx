/** Live: what is being decided right now. */
import type { JSX } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import type { BundlesAnswer } from "../../../contract/index.js";
import type { DecisionCounts, LiveRow } from "../../pulse.js";
import { quoted } from "../../grammar.js";
import { ActionCell, COLUMNS, WhyCell } from "../action_row.js";
import { useScope } from "../acts.js";
import { useEvery, useResource } from "../api.js";
import { A, Empty, Line, Mark, Said, Time, agentPath, markOf, recordPath, taskPath } from "../parts.js";
import { Heads, Row, Windowed } from "../rows.js";
import { useStream } from "../stream.js";
import { stagedText } from "./staged.js";

const SECONDS = 150;
const ROWS_MAX = 300;
const FILTERS = ["decision", "agent", "purpose", "task"] as const;

interface State {
  rows: LiveRow[];
  /** Rows that came while the list stood still. */
  held: LiveRow[];
  total: DecisionCounts;
  left_out: number;
  /** DecisionCounts of the last seconds, the newest last. */
  seconds: DecisionCounts[];
  slow: boolean;
}

const none = (): DecisionCounts => ({ allow: 0, flag: 0, deny: 0, wait: 0 });
const KINDS = ["allow", "flag", "deny"] as const;

export function Live({ query }: { query: URLSearchParams }): JSX.Element {
  const filter = new URLSearchParams(FILTERS.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])));
  const state = useRef<State>({
    rows: [],
    held: [],
    total: none(),
    left_out: 0,
    seconds: Array.from({ length: SECONDS }, none),
    slow: false,
  });
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const [isPaused, setPaused] = useState(false);
  const paused = useRef(false);
  paused.current = isPaused;
  const bundles = useResource<BundlesAnswer>(useScope("remit:publish") ? "/bundles" : null);
  useEvery(5000, bundles.reload);
  const staged = bundles.data?.staged ?? null;
  const search = filter.toString();

  useEffect(() => {
    state.current = { rows: [], held: [], total: none(), left_out: 0, seconds: Array.from({ length: SECONDS }, none), slow: false };
    setPaused(false);
  }, [search]);
  const isUp = useStream(search, (event) => {
    const { current } = state;
    if (event.event === "hello") {
      current.rows = [...event.data.rows].reverse().slice(0, ROWS_MAX);
      const known = event.data.seconds.slice(-SECONDS);
      if (known.length > 0) current.seconds = [...current.seconds.slice(known.length), ...known];
      draw(0);
    }
    if (event.event === "slow") current.slow = true;
    if (event.event !== "pulse") return;
    const { counts, rows, left_out } = event.data;
    for (const kind of [...KINDS, "wait"] as const) {
      current.total[kind] += counts[kind];
      const now = current.seconds.at(-1);
      if (now !== undefined) now[kind] += counts[kind];
    }
    current.left_out += left_out;
    if (paused.current) current.held = [...rows.reverse(), ...current.held].slice(0, ROWS_MAX);
    else current.rows = [...rows.reverse(), ...current.rows].slice(0, ROWS_MAX);
    draw(0);
  });
  useEffect(() => {
    const timer = setInterval(() => {
      state.current.seconds = [...state.current.seconds.slice(1), none()];
      draw(0);
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, []);
  const resume = (): void => {
    state.current.rows = [...state.current.held, ...state.current.rows].slice(0, ROWS_MAX);
    state.current.held = [];
    setPaused(false);
  };
  const { rows, held, total, left_out, seconds, slow } = state.current;
  const all = total.allow + total.flag + total.deny;
  const lastTen = seconds.slice(-11, -1).reduce((sum, { allow, flag, deny }) => sum + allow + flag + deny, 0) / 10;

  return (
    <>
      <header class="screen">
        <div>
          <h1>Live</h1>
          <p class="sub">
            {isUp === false ? (
              <strong class="bad">The service can't be heard; this page tries again.</strong>
            ) : (
              "What is being decided right now."
            )}
          </p>
        </div>
        <dl class="figures">
          <Figure label="a second" value={lastTen < 10 ? lastTen.toFixed(1) : String(Math.round(lastTen))} />
          <Figure label="allowed" value={total.allow.toLocaleString("en")} kind="allow" />
          <Figure label="flagged" value={total.flag.toLocaleString("en")} kind="flag" />
          <Figure label="denied" value={total.deny.toLocaleString("en")} kind="deny" />
          <Figure label="waiting" value={total.wait.toLocaleString("en")} kind="wait" />
        </dl>
      </header>
      <Pulse seconds={seconds} />
      <div class="tools">
        <nav aria-label="Decision">
          {[null, "allow", "flag", "deny"].map((one) => (
            <a
              key={one ?? "all"}
              class="chip"
              aria-current={(query.get("decision") ?? null) === one ? "true" : undefined}
              href={withFilter(filter, "decision", one)}
            >
              {one === null ? "All" : <Mark kind={one as "allow"} />}
            </a>
          ))}
        </nav>
        {FILTERS.slice(1).map((name) =>
          filter.get(name) === null ? null : (
            <a key={name} class="chip" href={withFilter(filter, name, null)} aria-label={`No longer only this ${name}`}>
              {name} <Said text={filter.get(name) ?? ""} max={40} /> <span aria-hidden="true">×</span>
            </a>
          ),
        )}
        {staged === null ? null : (
          <a class="chip" href="/policy">
            <Said text={staged.identity.revision} max={30} /> {stagedText(staged)}
          </a>
        )}
        <span class="grow" />
        {slow ? <span class="why">This browser is slow: some pulses were left out, and are not counted.</span> : null}
        {left_out > 0 ? (
          <span class="why">{left_out.toLocaleString("en")} without a row here: allowed ones are sampled when many come</span>
        ) : null}
        <button type="button" onClick={isPaused ? resume : () => setPaused(true)} aria-pressed={isPaused}>
          {isPaused ? `Paused, ${held.length} newer — go on` : "Pause"}
        </button>
      </div>
      {rows.length === 0 ? (
        <Empty
          title={
            search === ""
              ? "No decision has come since you opened this page."
              : "Nothing that fits the filter has come since you opened this page."
          }
        >
          {search === "" ? (
            <>
              Ask for one: <code>POST /decide</code>. Older ones are in <a href="/records">Records</a>.
            </>
          ) : (
            <>
              Take a filter away above, or look at <a href={`/records?${search}`}>what is on record</a>.
            </>
          )}
        </Empty>
      ) : (
        <div class="scroll" onFocusIn={() => setPaused(true)} onPointerDown={() => setPaused(true)}>
          <table class="rows fixed">
            <caption class="aside">Decisions, the newest first</caption>
            <Heads of={[COLUMNS.time, COLUMNS.decision, COLUMNS.agent, COLUMNS.action, COLUMNS.task, COLUMNS.why, COLUMNS.ms]} />
            <Windowed of={rows} keyOf={({ seq }) => seq} usual={32} tag="tbody">
              {(row) => (
                <Row key={row.seq} to={recordPath(row.id)} line={`remit audit show ${row.id}`} agent={row.agent} class={markOf(row)}>
                  <td>
                    <A to={recordPath(row.id)}>
                      <Time at={row.time} />
                    </A>
                  </td>
                  <td>
                    <Mark kind={markOf(row)} />
                    {row.observed ? <span class="tag">observed</span> : null}
                  </td>
                  <td>
                    <A to={agentPath(row.agent)}>
                      <Said text={row.agent} max={60} />
                    </A>
                  </td>
                  <ActionCell of={row} />
                  <td>
                    {row.task === null ? (
                      <span class="none">none</span>
                    ) : (
                      <A to={taskPath(row.task)}>
                        <Said text={row.task} max={40} />
                      </A>
                    )}
                  </td>
                  <WhyCell of={row} />
                  <td class="number">{row.ms === null ? "" : row.ms.toFixed(1)}</td>
                </Row>
              )}
            </Windowed>
          </table>
        </div>
      )}
      <p class="note">
        {all.toLocaleString("en")} decisions since you opened this page. On a row: <kbd>Enter</kbd> opens, <kbd>r</kbd> revokes its agent,{" "}
        <kbd>c</kbd> copies its line.
      </p>
      <Line text={["remit audit follow", ...[...filter].map(([name, value]) => `--${name} ${quoted(value)}`)].join(" ")} />
    </>
  );
}

function withFilter(filter: URLSearchParams, name: string, value: string | null): string {
  const next = new URLSearchParams(filter);
  if (value === null) next.delete(name);
  else next.set(name, value);
  return next.size === 0 ? "/live" : `/live?${next.toString()}`;
}

export function Figure({ label, value, kind }: { label: string; value: string; kind?: string }): JSX.Element {
  return (
    <div class={kind ?? ""}>
      <dd>{value}</dd>
      <dt>{label}</dt>
    </div>
  );
}

/** Decisions a second as stacked bars, stopped ones at the bottom where they are compared. */
function Pulse({ seconds }: { seconds: readonly DecisionCounts[] }): JSX.Element {
  const most = Math.max(4, ...seconds.map(({ allow, flag, deny }) => allow + flag + deny));
  const height = 60;
  let [flagged, denied] = [0, 0];
  for (const { flag, deny } of seconds) [flagged, denied] = [flagged + flag, denied + deny];
  return (
    <figure class="pulse">
      <svg
        viewBox={`0 0 ${SECONDS} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Decisions a second of the last ${SECONDS} seconds: at most ${most}, ${flagged} flagged, ${denied} denied`}
      >
        {seconds.flatMap((counts, i) => {
          let from = height;
          return (["deny", "flag", "allow"] as const).flatMap((kind) => {
            if (counts[kind] === 0) return [];
            // One among ten thousand can still be seen.
            const tall = Math.max(1.5, (counts[kind] / most) * height);
            from -= tall;
            return [<rect key={`${i} ${kind}`} class={kind} x={i + 0.1} width={0.8} y={Math.max(0, from)} height={tall} />];
          });
        })}
      </svg>
      <figcaption>
        <span>{SECONDS} s ago</span>
        <span>at most {most.toLocaleString("en")} a second</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
