/** Agents: who may act, and is it still itself? */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { AgentAnswer, AgentProfile, EventPage, Histogram, NarrowingPage, RevocationPage } from "../../../contract/index.js";
import { quoted } from "../../grammar.js";
import { LiftRevocation, NarrowAgent, RevokeAgent, SuspendAgent, WidenAgent, useScope } from "../acts.js";
import { useResource } from "../api.js";
import { Paged, usePages } from "../pages.js";
import {
  Bars,
  Empty,
  Failed,
  FailedScreen,
  Line,
  Loading,
  NumberField,
  Said,
  Time,
  TimeCell,
  agentPath,
  counted,
  shownText,
} from "../parts.js";
import { Row, RowTable } from "../rows.js";
import { useRefresh } from "../stream.js";
import { Risk } from "./findings.js";

export function Agents({ query }: { query: URLSearchParams }): JSX.Element {
  const filter = new URLSearchParams(
    ["owner", "purpose", "status"].flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])),
  );
  const search = filter.toString();
  const agents = usePages(`/agents${search === "" ? "" : `?${search}`}`, (agent: AgentAnswer) => agent, "any");
  const narrowings = useResource<NarrowingPage>("/narrowings?in_force=true");
  const revocations = useResource<RevocationPage>("/revocations?in_force=true");
  useRefresh([agents, narrowings, revocations], { on: ["change"] });
  const narrowed = new Set(narrowings.data?.items.map(({ agent }) => agent));
  const revoked = new Set(revocations.data?.items.flatMap(({ scope, of }) => (scope === "agent" ? [of] : [])));
  const everything = revocations.data?.items.some(({ scope }) => scope === "everything") === true;
  const [isLifting, setLifting] = useState(false);
  return (
    <>
      <header class="screen">
        <div>
          <h1>Agents</h1>
          <p class="sub">Who may act, and for what.</p>
        </div>
        {everything ? (
          <div class="acts">
            <strong class="bad">Everything is revoked</strong>
            <button type="button" onClick={() => setLifting(true)}>
              Lift …
            </button>
          </div>
        ) : null}
      </header>
      <div class="tools">
        <nav aria-label="Status">
          {[null, "active", "suspended", "revoked"].map((one) => (
            <a
              key={one ?? "all"}
              class="chip"
              aria-current={query.get("status") === one ? "true" : undefined}
              href={one === null ? "/agents" : `/agents?status=${one}`}
            >
              {one ?? "All"}
            </a>
          ))}
        </nav>
      </div>
      <Paged
        of={agents}
        noun="agent"
        empty={
          <Empty title={search === "" ? "No agent is registered." : "No agent fits the filter."}>
            {search === "" ? (
              <code>remit agents create support-7 --owner desk@example.com --purpose customer_support</code>
            ) : (
              <a href="/agents">Show all</a>
            )}
          </Empty>
        }
      >
        {(items) => (
          <RowTable
            caption="Agents, by id"
            heads={[["Agent", "name"], ["Status", "narrow"], "Purposes", ["Owner", "name"], ["Registered", "at"]]}
            of={items}
            hasMore={agents.hasMore}
            keyOf={({ id }) => id}
            usual={33}
          >
            {(agent, i) => (
              <Row key={agent.id} to={agentPath(agent.id)} line={`remit agents show ${quoted(agent.id)}`} agent={agent.id} number={i + 1}>
                <td>
                  <a href={agentPath(agent.id)}>
                    <Said text={agent.id} />
                  </a>
                </td>
                <td>
                  <Status agent={agent} narrowed={narrowed.has(agent.id)} revoked={revoked.has(agent.id)} />
                </td>
                <td>
                  {agent.purposes.map((purpose) => (
                    <span class="tag" key={purpose}>
                      <Said text={purpose} />
                    </span>
                  ))}
                </td>
                <td>{shownText(agent.owner)}</td>
                <TimeCell at={agent.registered} />
              </Row>
            )}
          </RowTable>
        )}
      </Paged>
      <Line text={["remit agents list", ...[...filter].map(([name, value]) => `--${name} ${quoted(value)}`)].join(" ")} />
      {isLifting ? <LiftRevocation id="everything" onClose={() => setLifting(false)} onDone={revocations.reload} /> : null}
    </>
  );
}

function Status({ agent, narrowed, revoked }: { agent: AgentAnswer; narrowed: boolean; revoked: boolean }): JSX.Element {
  const state = revoked ? "revoked" : agent.status !== "active" ? agent.status : narrowed ? "narrowed" : "active";
  return <span class={`state ${state}`}>{state}</span>;
}

type Asking = "revoke" | "narrow" | "widen" | "suspend" | "restore" | "lift" | null;

export function AgentScreen({ id }: { id: string }): JSX.Element {
  const at = `/agents/${encodeURIComponent(id)}`;
  const audits = useScope("remit:audit");
  const reads = useScope("remit:audit", "remit:review");
  const agent = useResource<AgentAnswer>(at);
  const profile = useResource<AgentProfile>(reads ? `${at}/profile` : null);
  const narrowings = useResource<NarrowingPage>("/narrowings?in_force=true");
  const revocations = useResource<RevocationPage>("/revocations?in_force=true&scope=agent");
  const changesOf = (key: string): string | null => (audits ? `/facts/events?key=${encodeURIComponent(`${key}/${id}`)}` : null);
  const events = useResource<EventPage>(changesOf("agent"));
  const limits = useResource<EventPage>(changesOf("narrowing"));
  const counts = useResource<Histogram>(
    audits ? `/decisions/histogram?agent=${encodeURIComponent(id)}&step=hour&from=${encodeURIComponent(dayAgo())}` : null,
  );
  const [asking, setAsking] = useState<Asking>(null);
  const resources = [agent, profile, narrowings, revocations, events, limits];
  const reload = (): void => {
    for (const one of resources) one.reload();
  };
  useRefresh(resources, { on: ["change"], query: new URLSearchParams({ agent: id }).toString() });
  if (agent.data === null)
    return agent.error === null ? <Loading /> : <FailedScreen title="Agent" id={id} list="/agents" error={agent.error} />;
  const { data } = agent;
  const changes = [...(events.data?.items ?? []), ...(limits.data?.items ?? [])].sort((a, b) => b.revision - a.revision);
  const narrowed = narrowings.data?.items.find((one) => one.agent === id);
  const revoked = revocations.data?.items.find((one) => one.of === id);
  const close = (): void => {
    setAsking(null);
  };
  const shared = { agent: id, onClose: close, onDone: reload };
  return (
    <>
      <header class="screen">
        <div>
          <p class="crumb">
            <a href="/agents">Agents</a>
          </p>
          <h1>
            <Said text={data.id} /> <Status agent={data} narrowed={narrowed !== undefined} revoked={revoked !== undefined} />
          </h1>
          <p class="sub">
            <Said text={data.owner} /> answers for it · may act for{" "}
            {data.purposes.length === 0
              ? "nothing"
              : data.purposes.map((purpose) => (
                  <span class="tag" key={purpose}>
                    <Said text={purpose} />
                  </span>
                ))}
            {profile.data === null ? null : (
              <>
                {" "}
                · risk now <Risk of={profile.data.risk} />
              </>
            )}
          </p>
        </div>
        <div class="acts">
          {narrowed === undefined ? (
            <button type="button" onClick={() => setAsking("narrow")}>
              Narrow
            </button>
          ) : (
            <button type="button" onClick={() => setAsking("widen")}>
              Widen …
            </button>
          )}
          {data.status === "suspended" ? (
            <button type="button" onClick={() => setAsking("restore")}>
              Restore …
            </button>
          ) : (
            <button type="button" onClick={() => setAsking("suspend")}>
              Suspend
            </button>
          )}
          {revoked === undefined ? (
            <button type="button" class="danger" onClick={() => setAsking("revoke")}>
              Revoke
            </button>
          ) : (
            <button type="button" onClick={() => setAsking("lift")}>
              Lift the revocation …
            </button>
          )}
        </div>
      </header>
      {narrowed === undefined ? null : (
        <p class="note warn">
          Narrowed by <Said text={narrowed.by} />, <Time at={narrowed.since} />: <Said text={narrowed.reason} />. It may only read what its
          task is about, {narrowed.actions_per_minute} times a minute.
          {narrowed.why.map((why) => (
            <span key={why}>
              {" "}
              <Said text={why} />
            </span>
          ))}
        </p>
      )}
      {revoked === undefined ? null : (
        <p class="note warn">
          Revoked by <Said text={revoked.by} />, <Time at={revoked.since} />: <Said text={revoked.reason} />
        </p>
      )}
      <section>
        <h2>What is usual for it</h2>
        <Failed error={profile.error} />
        {profile.data === null ? null : profile.data.profile === null || profile.data.profile.acts === 0 ? (
          <Empty title="Nothing is known of it yet.">A profile grows with what it is permitted to do.</Empty>
        ) : (
          <Portrait profile={profile.data.profile} />
        )}
      </section>
      {counts.data === null ? null : (
        <section>
          <h2>The last 24 hours</h2>
          <Hours counts={counts.data} id={id} />
        </section>
      )}
      <section>
        <h2>Who changed it</h2>
        {changes.length === 0 ? (
          <p class="none">No change is kept.</p>
        ) : (
          <ol class="changes">
            {changes.map((one) => (
              <li key={one.revision}>
                <Time at={one.time} /> <b>{one.change.replaceAll("_", " ")}</b> by <Said text={one.by} />
                {one.reason === null ? (
                  ""
                ) : (
                  <>
                    :{" "}
                    <q>
                      <Said text={one.reason} />
                    </q>
                  </>
                )}
              </li>
            ))}
          </ol>
        )}
      </section>
      <p class="links">
        <a href={`/live?agent=${encodeURIComponent(id)}`}>Live</a> · <a href={`/records?agent=${encodeURIComponent(id)}`}>Records</a> ·{" "}
        <a href={`/findings?agent=${encodeURIComponent(id)}`}>Findings</a> · <a href={`/tasks?agent=${encodeURIComponent(id)}`}>Tasks</a>
      </p>
      <Line text={`remit agents show ${quoted(id)}`} />
      <Line text={`remit profile show ${quoted(id)}`} />
      {asking === "revoke" ? <RevokeAgent {...shared} /> : null}
      {asking === "narrow" ? <NarrowAgent {...shared} /> : null}
      {asking === "widen" ? <WidenAgent {...shared} /> : null}
      {asking === "suspend" ? <SuspendAgent {...shared} to="suspended" /> : null}
      {asking === "restore" ? <SuspendAgent {...shared} to="active" /> : null}
      {asking === "lift" && revoked !== undefined ? <LiftRevocation id={revoked.id} onClose={close} onDone={reload} /> : null}
    </>
  );
}

/** Since when counts are shown; to the hour, so that the same address is asked for again. */
function dayAgo(): string {
  return `${new Date(Date.now() - 86_400_000).toISOString().slice(0, 13)}:00:00Z`;
}

const EVIDENCE_WORDS: Readonly<Record<NonNullable<AgentProfile["profile"]>["evidence"][number]["test"], string>> = {
  order: "odds for own steps in another order",
  drift: "odds for resources beside what a session is about",
  labels: "odds for resources with labels, beyond what sessions need",
};

function Portrait({ profile }: { profile: NonNullable<AgentProfile["profile"]> }): JSX.Element {
  const { hours, habits, usual } = profile;
  const verbs = [...new Set(habits.map(({ verb }) => verb))].slice(0, 12);
  const types = [...new Set(habits.map(({ type }) => type))].slice(0, 12);
  const most = Math.max(1, ...habits.map(({ acts }) => acts));
  const isAllNew = habits.every(({ is_new }) => is_new);
  return (
    <div class="portrait">
      <Bars
        values={hours.map((share) => Math.round(share * 100))}
        labels={hours.map((_, hour) => String(hour).padStart(2, "0"))}
        caption="Hours, local"
        unit="%"
      />
      <figure>
        <figcaption>Verbs and types{isAllNew ? ", all of them new this week" : "; what is new this week is outlined"}</figcaption>
        <table class="matrix">
          <thead>
            <tr>
              <td />
              {types.map((type) => (
                <th scope="col" key={type}>
                  <Said text={type} max={20} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {verbs.map((verb) => (
              <tr key={verb}>
                <th scope="row">
                  <Said text={verb} max={20} />
                </th>
                {types.map((type) => {
                  const habit = habits.find((one) => one.verb === verb && one.type === type);
                  return (
                    <td
                      key={type}
                      class={
                        habit === undefined ? "" : `heat${Math.ceil((4 * habit.acts) / most)}${habit.is_new && !isAllNew ? " new" : ""}`
                      }
                    >
                      {habit?.acts ?? ""}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </figure>
      <figure>
        <figcaption>All but one in a thousand stay within these</figcaption>
        <table class="fields">
          <tbody>
            <NumberField label="actions in 2 minutes">{usual.acts_in_2_min}</NumberField>
            <NumberField label="resources in a session">{usual.resources_in_session}</NumberField>
            {usual.types.map(({ type, distinct_in_10_min }) => (
              <NumberField
                key={type}
                label={
                  <>
                    different <Said text={type} /> in 10 minutes
                  </>
                }
              >
                {distinct_in_10_min}
              </NumberField>
            ))}
            {profile.evidence.map(({ test, odds, finds_at }) => (
              <NumberField key={test} label={EVIDENCE_WORDS[test]}>
                {odds}
                {finds_at === null ? "" : ` of ${Math.round(finds_at)}`}
              </NumberField>
            ))}
          </tbody>
        </table>
        <p class="note">
          {counted(profile.acts, "action")} on {counted(profile.days, "day")}
          {profile.sources === 0 ? "" : `, from ${counted(profile.sources, "source")}`}
        </p>
      </figure>
    </div>
  );
}

function Hours({ counts, id }: { counts: Histogram; id: string }): JSX.Element {
  const from = Date.parse(dayAgo());
  const all = Array.from({ length: 25 }, (_, i) => {
    const start = new Date(from + i * 3_600_000).toISOString();
    return {
      start,
      count: counts.counts.filter((one) => Date.parse(one.from) === Date.parse(start)).reduce((sum, one) => sum + one.records, 0),
    };
  });
  const sum = all.reduce((total, { count }) => total + count, 0);
  if (sum === 0) return <p class="none">It has asked for nothing.</p>;
  return (
    <div class="portrait one">
      <Bars
        values={all.map(({ count }) => count)}
        labels={all.map(({ start }) => `${String(new Date(start).getHours()).padStart(2, "0")}:00`)}
        caption="Decisions by hour"
        unit="decisions"
      />
      <p>
        <a href={`/records?agent=${encodeURIComponent(id)}&from=${encodeURIComponent(dayAgo())}`}>{counted(sum, "decision")}</a>
      </p>
    </div>
  );
}
