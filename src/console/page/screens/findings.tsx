/** Findings: who is misbehaving, and was it? The price of each verdict stands beside it. */
import type { JSX } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import type { Finding, InForce, JudgedFinding, ShownFinding, TaskPage } from "../../../contract/index.js";
import { quoted } from "../../grammar.js";
import { eventText, rowOf } from "../../pulse.js";
import { Console, RevokeAgent, ackText, useScope } from "../acts.js";
import { asRefused, send, useResource, type Refused } from "../api.js";
import { Paged, usePages } from "../pages.js";
import {
  Empty,
  Failed,
  FailedScreen,
  Line,
  Loading,
  Mark,
  Said,
  Severity,
  Time,
  TimeCell,
  agentPath,
  counted,
  findingPath,
  markOf,
  recordPath,
  shownText,
  spanText,
  taskPath,
} from "../parts.js";
import { Row, RowTable } from "../rows.js";
import { useRefresh } from "../stream.js";

const STATES = ["open", "in_review", "expected", "misuse", "policy_gap"] as const;

export function Findings({ query }: { query: URLSearchParams }): JSX.Element {
  const state = query.get("state");
  const agent = query.get("agent");
  const filter = new URLSearchParams([...(state === null ? [] : [["state", state]]), ...(agent === null ? [] : [["agent", agent]])]);
  const search = filter.toString();
  const findings = usePages(`/findings${search === "" ? "" : `?${search}`}`, (finding: Finding) => finding, "any");
  useRefresh([findings], { on: ["finding"] });
  return (
    <>
      <header class="screen">
        <div>
          <h1>Findings</h1>
          <p class="sub">One incident is one finding, however many actions it has.</p>
        </div>
      </header>
      <div class="tools">
        <nav aria-label="State">
          {[null, ...STATES].map((one) => (
            <a
              key={one ?? "all"}
              class="chip"
              aria-current={state === one ? "true" : undefined}
              href={one === null ? "/findings" : `/findings?state=${one}`}
            >
              {one === null ? "All" : one.replaceAll("_", " ")}
            </a>
          ))}
        </nav>
      </div>
      <Paged
        of={findings}
        noun="finding"
        more="Older"
        empty={
          <Empty title={state === null ? "There are no findings." : `No finding is ${state.replaceAll("_", " ")}.`}>
            {state === null ? (
              "One opens when a decision is flagged gravely enough, when behaviour is unusual, or when denials repeat."
            ) : (
              <a href="/findings">Show those in every state</a>
            )}
          </Empty>
        }
      >
        {(items) => (
          <RowTable
            caption="Findings, the newest first"
            heads={[
              ["Severity", "narrow"],
              ["State", "narrow"],
              ["Agent", "name"],
              "About",
              ["Actions", "number narrow"],
              ["Risk", "narrow"],
              ["Last seen", "at"],
            ]}
            of={items}
            hasMore={findings.hasMore}
            keyOf={({ id }) => id}
            usual={52}
          >
            {(finding, i) => (
              <Row
                key={finding.id}
                to={findingPath(finding.id)}
                line={`remit findings show ${finding.id}`}
                agent={finding.agent}
                class={finding.state}
                number={i + 1}
              >
                <td class={`severity ${finding.severity}`}>{finding.severity}</td>
                <td>
                  <span class={`state ${finding.state}`}>{finding.state.replaceAll("_", " ")}</span>
                </td>
                {finding.agent === null ? <td class="none">not registered</td> : <td>{shownText(finding.agent, 60)}</td>}
                <td class="wide">
                  <a href={findingPath(finding.id)}>
                    <Said text={aboutText(finding)} />
                  </a>{" "}
                  {finding.waiting.length > 0 ? <span class="tag">{finding.waiting.length} waited</span> : null}
                  <div class="why">
                    <Said text={finding.reasons[0]?.message ?? ""} max={160} />
                  </div>
                </td>
                <td class="number">{finding.actions.all === 0 ? "–" : finding.actions.all.toLocaleString("en")}</td>
                <td>{finding.risk === null ? "–" : <Risk of={finding.risk} />}</td>
                <TimeCell at={finding.last_seen} />
              </Row>
            )}
          </RowTable>
        )}
      </Paged>
      <Line
        text={[
          "remit findings list",
          ...(agent === null ? [] : [`--agent ${quoted(agent)}`]),
          ...(state === null ? [] : [`--state ${state}`]),
        ].join(" ")}
      />
    </>
  );
}

export function aboutText({ about, code }: Pick<Finding, "about" | "code">): string {
  return about === "code"
    ? (code ?? "?")
    : about === "behavior"
      ? "unusual behaviour"
      : about === "shopping"
        ? "one action, tried in several ways"
        : about === "denials"
          ? "denied again and again"
          : about;
}

/** Returns what was decided of actions, without what none was. */
function decidedText({ allow, flag, deny }: Finding["actions"]): string {
  const all: [count: number, word: string][] = [
    [allow, "allowed"],
    [flag, "flagged"],
    [deny, "denied"],
  ];
  return all
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(", ");
}

export function Risk({ of }: { of: number }): JSX.Element {
  return (
    <span class="risk">
      <meter min={0} max={100} high={60} value={of} aria-label={`Risk ${of} of 100`} />
      <span>{of}</span>
    </span>
  );
}

export function FindingScreen({ id }: { id: string }): JSX.Element {
  const path = `/findings/${encodeURIComponent(id)}`;
  const shown = useResource<ShownFinding>(path);
  const { data, etag, error, reload } = shown;
  const [isRevoking, setRevoking] = useState(false);
  const [seen, setSeen] = useState<number | null>(null);
  useRefresh([shown], { on: ["finding"] });
  // What a verdict is about is what was shown first, until the reader looks again.
  useEffect(() => {
    if (data !== null && seen === null) setSeen(data.actions.all);
  }, [data]);
  if (data === null) return error === null ? <Loading /> : <FailedScreen title="Finding" id={id} list="/findings" error={error} />;
  const { agent, actions, timeline } = data;
  const span = Date.parse(data.last_seen) - Date.parse(data.first_seen);
  return (
    <>
      <header class="screen">
        <div>
          <p class="crumb">
            <a href="/findings">Findings</a> · <code>{data.id}</code>
          </p>
          <h1>
            <Said text={aboutText(data)} /> <Severity of={data.severity} />
            <span class={`state ${data.state}`}>{data.state.replaceAll("_", " ")}</span>
          </h1>
          <p class="sub">
            {agent === null ? (
              "agents that are not registered"
            ) : (
              <a href={agentPath(agent)}>
                <Said text={agent} />
              </a>
            )}
            {data.purpose === null ? (
              ""
            ) : (
              <>
                {" "}
                for <Said text={data.purpose} />
              </>
            )}{" "}
            · {counted(actions.all, "action")}
            {span < 1000 ? "" : ` in ${spanText(span)}`}: {decidedText(actions)}
            {data.risk === null ? null : (
              <>
                {" "}
                · risk <Risk of={data.risk} />
              </>
            )}
            {data.node === undefined ? null : (
              <>
                {" "}
                · {data.parts === undefined ? "node" : "nodes"}{" "}
                <code>{[...new Set(data.parts?.map(({ node }) => node) ?? [data.node])].join(", ")}</code>
              </>
            )}
          </p>
        </div>
        <div class="acts">
          {agent === null ? null : (
            <button type="button" class="danger" onClick={() => setRevoking(true)}>
              Revoke agent
            </button>
          )}
        </div>
      </header>
      <div class="columns">
        <section class="grow">
          <h2>What led to it</h2>
          <ol class="timeline">
            {timeline.map((one, i) => {
              const row = rowOf(one);
              const gap = i === 0 ? 0 : Date.parse(one.record.time) - Date.parse(timeline[i - 1]?.record.time ?? one.record.time);
              return (
                <li key={one.seq} class={row === null ? "event" : markOf(row)}>
                  <Time at={one.record.time} />
                  <span class="idle">{gap > 5000 ? `+ ${spanText(gap)}` : ""}</span>
                  {row === null ? (
                    <a href={`/records/${one.seq}`}>
                      <Said text={eventText(one.record)} max={120} />
                    </a>
                  ) : (
                    <>
                      <Mark kind={markOf(row)} />
                      <a class="what" href={recordPath(row.id)}>
                        <Said text={row.verb} />{" "}
                        <b>
                          <Said text={row.type} />
                        </b>{" "}
                        <Said text={row.resource ?? ""} max={60} />
                      </a>
                      <span class="why">
                        <Said text={row.message} max={200} />
                      </span>
                    </>
                  )}
                </li>
              );
            })}
          </ol>
          {actions.all > timeline.length && agent !== null ? (
            <p>
              <a href={`/records?agent=${encodeURIComponent(agent)}&from=${encodeURIComponent(data.first_seen)}`}>
                All that {agent} did since
              </a>
            </p>
          ) : null}
          <h2>Its reasons</h2>
          <ul class="plain">
            {data.codes.map(({ code, severity, count }) => (
              <li key={code}>
                <Severity of={severity} /> <Said text={code} /> <b>{count}×</b>
              </li>
            ))}
          </ul>
          {data.tasks.length === 0 ? null : (
            <p>
              On{" "}
              {data.tasks.map((task) => (
                <a key={task} class="chip" href={taskPath(task)}>
                  <Said text={task} />
                </a>
              ))}
            </p>
          )}
        </section>
        <Verdict finding={data} seen={seen ?? actions.all} etag={etag} reload={reload} lookAgain={() => setSeen(actions.all)} />
      </div>
      <Line text={`remit findings show ${data.id}`} />
      {isRevoking && agent !== null ? <RevokeAgent agent={agent} onClose={() => setRevoking(false)} onDone={reload} /> : null}
    </>
  );
}

type VerdictName = "expected" | "misuse" | "policy_gap" | "in_review" | "open";

function Verdict({
  finding,
  seen,
  etag,
  reload,
  lookAgain,
}: {
  finding: ShownFinding;
  seen: number;
  etag: string | null;
  reload: () => void;
  lookAgain: () => void;
}): JSX.Element {
  const { acknowledge } = useContext(Console);
  const may = useScope("remit:review");
  const mayRevoke = useScope("remit:revoke");
  const [reason, setReason] = useState("");
  const [revoke, setRevoke] = useState(false);
  /** Verdict that was asked for before there was a reason: Enter in its field gives it. */
  const [chosen, setChosen] = useState<VerdictName | null>(null);
  const [error, setError] = useState<Refused | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const { agent, state, verdict, waiting, actions, id } = finding;
  const tasks = useResource<TaskPage>(agent === null || state === "misuse" ? null : `/tasks?agent=${encodeURIComponent(agent)}&live=true`);
  const isClosed = state !== "open" && state !== "in_review";
  const newer = actions.all - seen;
  const distinct = new Set(
    finding.timeline.flatMap((one) => (one.action === null ? [] : [`${one.action.verb} ${one.action.type} ${one.action.id ?? ""}`])),
  ).size;
  const judge = (to: VerdictName): void => {
    if (reason === "") {
      setChosen(to);
      field.current?.focus();
      return;
    }
    setChosen(null);
    const pressed = performance.now();
    setError(null);
    const body = {
      state: to,
      reason,
      ...(to === "expected" && { seen }),
      ...(to === "misuse" && { keep_out: revoke ? "revoke" : "suspend" }),
    };
    send<JudgedFinding & { in_force?: InForce }>("POST", `/findings/${encodeURIComponent(id)}`, body, etag).then(
      (answer) => {
        acknowledge(
          answer.value.in_force === undefined
            ? `The finding is ${to.replaceAll("_", " ")}.`
            : ackText(`The finding is ${to}, its agent ${revoke ? "revoked" : "suspended"}`, answer, pressed),
        );
        setReason("");
        reload();
      },
      (cause: unknown) => {
        setError(asRefused(cause));
        reload();
      },
    );
  };
  const why = may ? null : <p class="why">You lack remit:review.</p>;
  const tasksText =
    tasks.data === null ? "" : `; it has ${counted(tasks.data.items.length, "live task")}${tasks.data.next === null ? "" : " and more"}`;
  const verb = { expected: "expected", misuse: "misuse", policy_gap: "gap", in_review: "review", open: "reopen" };
  return (
    <aside class="verdict">
      <h2>{isClosed ? "It was said" : `Say what it was (${seen} seen)`}</h2>
      {verdict === null ? null : (
        <p>
          <span class={`state ${state}`}>{state.replaceAll("_", " ")}</span> by <Said text={verdict.by} />, <Time at={verdict.at} />:{" "}
          <q>
            <Said text={verdict.reason} />
          </q>
        </p>
      )}
      {verdict?.proposal === null || verdict?.proposal === undefined ? null : (
        <>
          <h3>Proposed entries</h3>
          <pre tabIndex={0}>
            <Said text={verdict.proposal} max={4000} />
          </pre>
        </>
      )}
      {newer > 0 ? (
        <p class="warn" role="status">
          {counted(newer, "more action")} {newer === 1 ? "has" : "have"} come since you looked.{" "}
          <button type="button" class="quiet" onClick={lookAgain}>
            I have seen them
          </button>
        </p>
      ) : null}
      <label>
        Reason, kept with the finding{chosen === null ? "" : `; Enter: ${chosen.replaceAll("_", " ")}`}
        <input
          ref={field}
          value={reason}
          required
          maxLength={512}
          disabled={!may}
          onKeyDown={(event) => {
            if (event.key === "Enter" && chosen !== null && reason !== "") judge(chosen);
          }}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      {isClosed ? (
        <button type="button" disabled={!may} onClick={() => judge("open")}>
          Reopen
        </button>
      ) : (
        <ul class="verdicts">
          <li>
            <button type="button" disabled={!may} data-key="e" aria-keyshortcuts="e" onClick={() => judge("expected")}>
              Expected
            </button>
            <span>
              teaches up to {counted(distinct, "action")} as usual
              {waiting.length > 0 ? `, and lets up to ${waiting.length} that waited go on once` : ""}
            </span>
          </li>
          <li>
            <button
              type="button"
              class="danger"
              disabled={!may || (revoke && !mayRevoke)}
              data-key="m"
              aria-keyshortcuts="m"
              onClick={() => judge("misuse")}
            >
              Misuse
            </button>
            <span>
              {agent === null
                ? "closes it; nobody is registered to be kept out"
                : `${revoke ? "revokes" : "suspends"} ${agent} at once${tasksText}`}
              {agent === null ? null : (
                <label class="inline">
                  <input
                    type="checkbox"
                    checked={revoke}
                    disabled={!mayRevoke}
                    onChange={(event) => setRevoke(event.currentTarget.checked)}
                  />{" "}
                  revoke instead{mayRevoke ? "" : " (you lack remit:revoke)"}
                </label>
              )}
            </span>
          </li>
          <li>
            <button type="button" disabled={!may} data-key="p" aria-keyshortcuts="p" onClick={() => judge("policy_gap")}>
              Policy gap
            </button>
            <span>proposes entries for the purpose, to be reviewed as a change; permits nothing</span>
          </li>
          {state === "open" ? (
            <li>
              <button type="button" disabled={!may} data-key="i" aria-keyshortcuts="i" onClick={() => judge("in_review")}>
                I am looking
              </button>
              <span>others see that somebody is</span>
            </li>
          ) : null}
        </ul>
      )}
      {why}
      <Failed error={error} />
      {isClosed ? null : (
        <Line text={`remit findings ${verb.misuse} ${id}${revoke ? " --revoke" : ""} --reason ${quoted(reason === "" ? "…" : reason)}`} />
      )}
    </aside>
  );
}
