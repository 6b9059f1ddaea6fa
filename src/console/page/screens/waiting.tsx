/** Waiting: what waits for a person, and until when. The list never moves under a pointer or a focus. */
import type { JSX } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import type { ApprovalList, GrantAnswer, WaitingApproval } from "../../../contract/index.js";
import { quoted } from "../../grammar.js";
import { Console } from "../acts.js";
import { asRefused, send, useEvery, useResource, type Refused } from "../api.js";
import {
  Empty,
  Failed,
  FailedScreen,
  Line,
  Loading,
  Said,
  Severity,
  SilentNodes,
  agentPath,
  findingPath,
  recordPath,
  spanText,
} from "../parts.js";
import { Heads, Row } from "../rows.js";
import { useRefresh } from "../stream.js";

/** A button does nothing for so long after what it is about has appeared: nobody meant it yet. */
const GUARD_MS = 300;

export function Waiting(): JSX.Element {
  const approvals = useResource<ApprovalList>("/approvals");
  const { data, error, reload } = approvals;
  const [shown, setShown] = useState<WaitingApproval[] | null>(null);
  const [isHeld, setHeld] = useState(false);
  const [now, setNow] = useState(Date.now());
  useRefresh([approvals], { on: ["finding", "change"], every_ms: 5000 });
  useEvery(1000, () => setNow(Date.now()));
  useEffect(() => {
    if (data !== null && !isHeld) setShown(data.items);
  }, [data, isHeld]);
  if (error !== null && shown === null) return <FailedScreen title="Waiting" error={error} />;
  if (shown === null || data === null) return <Loading />;
  const fresh = new Map(data.items.map((item) => [item.action.decision_id, item]));
  // What stands still in the list shows what has become of it meanwhile.
  const list = shown.map((item) => fresh.get(item.action.decision_id) ?? item);
  const waiting = list.filter((_, i) => shown[i]?.state === "waiting");
  const newer = data.items.filter(({ action }) => !shown.some((item) => item.action.decision_id === action.decision_id)).length;
  const past = data.items.filter(({ state }) => state !== "waiting").slice(0, 8);
  return (
    <>
      <header class="screen">
        <div>
          <h1>Waiting</h1>
          <p class="sub">Actions that an agent may do only if a person says so.</p>
        </div>
        <p class="hold" role="status">
          {isHeld ? (
            <>
              Standing still while you are in it{newer > 0 ? ` · ${newer} newer` : ""}{" "}
              <button type="button" class="quiet" onClick={() => setShown(data.items)}>
                Show now
              </button>
            </>
          ) : (
            `${waiting.length} waiting`
          )}
        </p>
      </header>
      <Failed error={error} />
      <SilentNodes of={data} />
      {waiting.length === 0 ? (
        <Empty title="Nothing waits.">
          An action waits here when its purpose has a flag with <code>wait</code>, until somebody approves exactly this action or its time
          is over.
        </Empty>
      ) : (
        <ol
          class="waiting"
          onMouseEnter={() => setHeld(true)}
          onMouseLeave={(event) => {
            if (!event.currentTarget.contains(document.activeElement)) setHeld(false);
          }}
          onFocusIn={() => setHeld(true)}
          onFocusOut={(event) => {
            if (
              !(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget)) &&
              !event.currentTarget.matches(":hover")
            )
              setHeld(false);
          }}
        >
          {waiting.map((item) => (
            <Item key={item.action.decision_id} item={item} now={now} reload={reload} />
          ))}
        </ol>
      )}
      {past.length === 0 ? null : (
        <section>
          <h2>What became of the latest</h2>
          <table class="rows">
            <caption class="aside">Actions that no longer wait</caption>
            <Heads of={["State", "Agent", "Action", "By", "Decision"]} />
            <tbody>
              {past.map((item) => (
                <Row
                  key={item.action.decision_id}
                  to={recordPath(item.action.decision_id)}
                  line={`remit audit show ${item.action.decision_id}`}
                  agent={item.agent}
                >
                  <td>
                    <span class={`state ${item.state}`}>{item.state}</span>
                  </td>
                  <td>{item.agent === null ? "not registered" : <Said text={item.agent} />}</td>
                  <td>
                    <ActionText item={item} />
                  </td>
                  <td>
                    {item.given.length === 0 ? <span class="none">nobody</span> : item.given.map(({ by }) => <Said key={by} text={by} />)}
                  </td>
                  <td>
                    <a href={recordPath(item.action.decision_id)}>{item.action.decision_id.slice(0, 8)}…</a>
                  </td>
                </Row>
              ))}
            </tbody>
          </table>
        </section>
      )}
      <Line text="remit findings waiting --all" />
    </>
  );
}

function fieldOf({ action }: WaitingApproval, pointer: string): string | null {
  const found = action.fields.find(({ field }) => field === pointer);
  if (found === undefined) return null;
  return found.value.startsWith('"') && found.value.endsWith('"') ? found.value.slice(1, -1) : found.value;
}

function ActionText({ item }: { item: WaitingApproval }): JSX.Element {
  const [verb, type, id] = ["/verb", "/resource/type", "/resource/id"].map((pointer) => fieldOf(item, pointer));
  return (
    <>
      <Said text={verb ?? "?"} />{" "}
      <b>
        <Said text={type ?? "?"} />
      </b>{" "}
      <Said text={id ?? ""} />
    </>
  );
}

function Item({ item, now, reload }: { item: WaitingApproval; now: number; reload: () => void }): JSX.Element {
  const { acknowledge, me } = useContext(Console);
  const { action, state, agent, severity, refusal } = item;
  const [reason, setReason] = useState("");
  const [error, setError] = useState<Refused | null>(null);
  const [isReady, setReady] = useState(false);
  const reasonInput = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const timer = setTimeout(() => setReady(true), GUARD_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);
  const left = Date.parse(action.until) - now;
  const isOver = state !== "waiting" || left <= 0;
  const approve = (event: Event): void => {
    event.preventDefault();
    if (!isReady || isOver || refusal !== null) return;
    const pressed = performance.now();
    setError(null);
    send<GrantAnswer>("POST", `/findings/${encodeURIComponent(item.finding)}/approvals`, { reason, decision: action.decision_id }).then(
      ({ value }) => {
        const open = value.state === "unapproved" ? "counted; others have to approve too" : "approved once";
        acknowledge(
          `Exactly this action is ${open}, until ${new Date(value.expires).toLocaleTimeString()}: ${Math.round(performance.now() - pressed)} ms after your key. Grant ${value.id}.`,
        );
        reload();
      },
      (cause: unknown) => {
        setError(asRefused(cause));
      },
    );
  };
  const id = action.decision_id;
  return (
    <li
      data-row
      tabIndex={0}
      data-href={recordPath(id)}
      data-line={`remit findings approve ${item.finding} --decision ${id} --reason …`}
      class={isOver ? "over" : ""}
      aria-label={`${agent ?? "an agent that is not registered"} waits`}
      onKeyDown={(event) => {
        if (event.key !== "a" || event.target !== event.currentTarget || !isReady) return;
        event.preventDefault();
        reasonInput.current?.focus();
      }}
    >
      <header>
        <span class="left">{isOver ? (state === "waiting" ? "lapsed" : state) : `${clock(left)} left`}</span>
        <h2>
          {agent === null ? (
            "An agent that is not registered"
          ) : (
            <a href={agentPath(agent)}>
              <Said text={agent} />
            </a>
          )}{" "}
          wants to <ActionText item={item} />
        </h2>
        <Severity of={severity} />
      </header>
      <dl class="evidence">
        <dt>Why not</dt>
        <dd>{item.message === null ? "no message" : <Said text={item.message} />}</dd>
        <dt>Exactly</dt>
        <dd>
          <table class="fields">
            <caption class="aside">All that is approved, and nothing else</caption>
            <tbody>
              {action.fields.map(({ field, value }) => (
                <tr key={field}>
                  <th scope="row">
                    <Said text={field.slice(1)} />
                  </th>
                  <td>
                    <Said text={value} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {action.more === 0 ? null : (
            <p class="warn">
              {action.more === null ? "The request was too large to be shown here" : `${action.more} more values are not shown here`}:{" "}
              <a href={recordPath(id)}>read its record</a> before you approve.
            </p>
          )}
        </dd>
        <dt>For</dt>
        <dd>
          {action.principals === null
            ? "persons that its record names"
            : action.principals.length === 0
              ? "nobody in particular"
              : action.principals.map((one) => <Said key={one} text={one} />)}
          , asked by <Said text={action.caller} />
        </dd>
        <dt>If you approve</dt>
        <dd>
          exactly this, once, when it is asked for again <code>{action.approval_digest.slice(0, 15)}…</code>
          {item.quorum > 1 ? `; ${item.given.length} of ${item.quorum} have` : ""}
        </dd>
        <dt>If you don't</dt>
        <dd>it stays denied, and lapses by itself</dd>
      </dl>
      <form onSubmit={approve}>
        <label class="grow">
          <span class="aside">Reason, kept on record</span>
          <input
            ref={reasonInput}
            value={reason}
            required
            maxLength={512}
            placeholder="Reason, kept on record"
            disabled={isOver || refusal !== null}
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={!isReady || isOver || refusal !== null}>
          Approve once
        </button>
        <a class="button" href={findingPath(item.finding)}>
          Finding
        </a>
        <a class="button" href={recordPath(id)}>
          Why
        </a>
      </form>
      {refusal === null || isOver ? null : (
        <p class="why">
          {me.person} can't approve this. Expected: {refusal}.{item.roles.length > 0 ? ` Roles that can: ${item.roles.join(", ")}.` : ""}
        </p>
      )}
      <Failed error={error} />
      <Line text={`remit findings approve ${item.finding} --decision ${id} --reason ${quoted(reason === "" ? "…" : reason)}`} />
    </li>
  );
}

function clock(ms: number): string {
  if (ms > 3_600_000) return spanText(ms);
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}
