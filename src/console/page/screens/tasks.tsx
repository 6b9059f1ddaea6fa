/** Tasks: what was done on one, and why was each action let? */
import type { JSX } from "preact";
import type { ArgumentFlow, FlowFactsInput, FoundRecord, TaskFactAnswer } from "../../../contract/index.js";
import { quoted } from "../../grammar.js";
import { rowOf, type LiveRow } from "../../pulse.js";
import { useScope } from "../acts.js";
import { useResource } from "../api.js";
import { Paged, usePages } from "../pages.js";
import {
  Empty,
  FailedScreen,
  Line,
  Loading,
  Mark,
  Said,
  Time,
  TimeCell,
  agentPath,
  markOf,
  recordPath,
  shownText,
  spanText,
  taskPath,
} from "../parts.js";
import { Row, RowTable, Windowed, steady } from "../rows.js";
import { useRefresh } from "../stream.js";

export function Tasks({ query }: { query: URLSearchParams }): JSX.Element {
  const agent = query.get("agent");
  const filter = new URLSearchParams([["live", query.get("live") ?? "true"], ...(agent === null ? [] : [["agent", agent]])]);
  const tasks = usePages(`/tasks?${filter.toString()}`, (task: TaskFactAnswer) => task, "any");
  useRefresh([tasks], { on: ["change"], every_ms: 10_000 });
  return (
    <>
      <header class="screen">
        <div>
          <h1>Tasks</h1>
          <p class="sub">The pieces of work that hosts give agents.</p>
        </div>
      </header>
      <div class="tools">
        <nav aria-label="Live">
          {(["true", "false"] as const).map((one) => {
            const next = new URLSearchParams(filter);
            next.set("live", one);
            return (
              <a key={one} class="chip" aria-current={filter.get("live") === one ? "true" : undefined} href={`/tasks?${next.toString()}`}>
                {one === "true" ? "Live" : "Over"}
              </a>
            );
          })}
        </nav>
      </div>
      <Paged
        of={tasks}
        noun="task"
        empty={
          <Empty title={filter.get("live") === "true" ? "No task is live." : "No task is over."}>
            {agent === null ? "A host gives an agent one with POST /tasks." : <a href="/tasks">Show every agent's</a>}
          </Empty>
        }
      >
        {(items) => (
          <RowTable
            caption="Tasks, by id"
            heads={[["Task", "name"], ["Agent", "name"], ["Purpose", "name"], "About", ["For", "name"], ["Expires", "at"]]}
            of={items}
            hasMore={tasks.hasMore}
            keyOf={({ id }) => id}
            usual={33}
          >
            {(task, i) => (
              <Row key={task.id} to={taskPath(task.id)} line={`remit tasks show ${quoted(task.id)}`} agent={task.agent} number={i + 1}>
                <td>
                  <a href={taskPath(task.id)}>
                    <Said text={task.id} max={60} />
                  </a>
                </td>
                <td>{shownText(task.agent, 60)}</td>
                <td>{shownText(task.purpose)}</td>
                <td class="wide">
                  <Subjects of={task.subjects} />
                </td>
                {task.principal === null ? <td class="none">nobody</td> : <td>{shownText(task.principal)}</td>}
                {task.expires === null ? <td class="none">never</td> : <TimeCell at={task.expires} />}
              </Row>
            )}
          </RowTable>
        )}
      </Paged>
      <Line
        text={`remit tasks list --live ${filter.get("live") === "true" ? "yes" : "no"}${agent === null ? "" : ` --agent ${quoted(agent)}`}`}
      />
    </>
  );
}

function Subjects({ of }: { of: Readonly<Record<string, readonly string[]>> }): JSX.Element {
  return (
    <>
      {Object.entries(of).map(([type, ids]) => (
        <span class="tag" key={type}>
          <Said text={type} max={30} /> <Said text={ids.join(", ")} max={60} />
        </span>
      ))}
    </>
  );
}

/** Time without an action that is shown beside the next one. */
const IDLE_MS = 30_000;

export function TaskScreen({ id }: { id: string }): JSX.Element {
  const audits = useScope("remit:audit");
  const task = useResource<TaskFactAnswer>(`/tasks/${encodeURIComponent(id)}`);
  const records = usePages(audits ? `/decisions?task=${encodeURIComponent(id)}&order=oldest` : null, stepOf, "last");
  useRefresh([task, records], { on: ["pulse", "change"], query: new URLSearchParams({ task: id }).toString() });
  if (task.data === null && records.items === null)
    return task.error === null ? <Loading /> : <FailedScreen title="Task" id={id} list="/tasks" error={task.error} />;
  const { data } = task;
  return (
    <>
      <header class="screen">
        <div>
          <p class="crumb">
            <a href="/tasks">Tasks</a>
          </p>
          <h1>
            <Said text={id} />
          </h1>
          {data === null ? (
            <p class="sub">This task is no longer known; its records are.</p>
          ) : (
            <p class="sub">
              <a href={agentPath(data.agent)}>
                <Said text={data.agent} />
              </a>{" "}
              for <Said text={data.purpose} /> about <Subjects of={data.subjects} />
              {data.principal === null ? (
                ""
              ) : (
                <>
                  {" "}
                  · for <Said text={data.principal} />
                </>
              )}
              {data.parent === null ? (
                ""
              ) : (
                <>
                  {" "}
                  · handed on from{" "}
                  <a href={taskPath(data.parent)}>
                    <Said text={data.parent} />
                  </a>
                </>
              )}
              {data.ended !== null ? (
                <>
                  {" "}
                  · <span class="state revoked">ended</span> <Time at={data.ended.at} />
                </>
              ) : data.expires === null ? (
                ""
              ) : (
                <>
                  {" "}
                  · until <Time at={data.expires} />
                </>
              )}
            </p>
          )}
        </div>
      </header>
      <h2>What was done on it</h2>
      {audits ? (
        <Paged
          of={records}
          noun="action"
          more="Later"
          empty={<Empty title="Nothing has been asked for on this task yet." />}
          beside={<a href={`/records?task=${encodeURIComponent(id)}`}>All of them, the newest first</a>}
        >
          {(items) => (
            <Windowed of={items} keyOf={({ row }) => row.seq} usual={34} tag="ol" class="timeline">
              {(step, i) => <Step key={step.row.seq} step={step} before={items[i - 1] ?? null} />}
            </Windowed>
          )}
        </Paged>
      ) : (
        <Empty title="You may not see records.">That needs remit:audit.</Empty>
      )}
      <Line text={`remit audit timeline --task ${quoted(id)}`} />
    </>
  );
}

/** Returns what is known of who wrote each value of an action, as the record's facts have it. */
function flowOf({ record }: FoundRecord): [path: string, value: ArgumentFlow][] {
  const { facts } = ("input" in record ? (record.input ?? {}) : {}) as { facts?: { flow?: Partial<FlowFactsInput> | null } };
  return Object.entries(facts?.flow?.arguments ?? {});
}

/** Parts of an action that a task's page shows. */
interface TaskStep {
  row: LiveRow;
  outcome: string | null;
  flow: [path: string, value: ArgumentFlow][];
}

function stepOf(found: FoundRecord): TaskStep | null {
  const row = rowOf(found);
  return row === null ? null : { row, outcome: found.outcome, flow: flowOf(found) };
}

const Step = steady(({ step: { row, outcome, flow }, before }: { step: TaskStep; before: TaskStep | null }) => {
  const gap = before === null ? 0 : Date.parse(row.time) - Date.parse(before.row.time);
  return (
    <Row tag="li" to={recordPath(row.id)} line={`remit audit show ${row.id}`} agent={row.agent} class={markOf(row)}>
      <Time at={row.time} />
      <span class="idle">{gap > IDLE_MS ? `+ ${spanText(gap)}` : ""}</span>
      <Mark kind={markOf(row)} />
      <a class="what" href={recordPath(row.id)}>
        {shownText(row.verb)} <b>{shownText(row.type)}</b> <Said text={row.resource ?? ""} max={60} />
      </a>
      <span class="why">{shownText(row.message, 200)}</span>
      <span class="outcome">{outcome ?? "not done"}</span>
      {flow.length === 0 ? null : (
        <ul class="flow">
          {flow.map(([path, { writer, sources }]) => (
            <li key={path}>
              <Said text={path} max={60} /> <span aria-hidden="true">←</span> <span class={`writer ${writer}`}>{writer}</span>
              {sources.slice(0, 3).map((source) => (
                <span key={`${source.record ?? ""} ${source.path}`} class="why">
                  {" "}
                  {source.record === null ? "the task" : <a href={recordPath(source.record)}>an earlier answer</a>}{" "}
                  <Said text={source.path} max={60} />
                </span>
              ))}
            </li>
          ))}
        </ul>
      )}
    </Row>
  );
});
