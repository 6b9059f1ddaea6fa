/** An explanation of a decision: what would have let it pass, and what was tried. */
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Explanation } from "../../contract/index.js";
import { Said, Words } from "./parts.js";
import { Heads } from "./rows.js";

export function Ways({
  explanation: { would_pass },
  approve,
}: {
  explanation: Explanation;
  /** Shown beside a way that needs somebody's approval. */
  approve?: ComponentChildren;
}): JSX.Element | null {
  if (would_pass === null) return null;
  const { ways, grant, tried } = would_pass;
  const none = ways.length === 0;
  return (
    <section class="ways">
      <h2>{none ? "Nothing that was tried would have let it pass" : "It would have passed if"}</h2>
      {none ? null : (
        <ol>
          {ways.map((way, i) => (
            <li key={i}>
              {way.changes.map((change, at) => (
                <span key={at}>
                  {at === 0 ? "" : ", and "}
                  <Words text={change.words} />
                </span>
              ))}{" "}
              {way.decision === "flag" ? <span class="tag">with a flag</span> : null}
              {way.changes.some(({ kind }) => kind === "approval") ? approve : null}
            </li>
          ))}
        </ol>
      )}
      <p class="note">
        {none ? "The policy was run on " : "Each was proven by running the policy on this very input: "}
        {tried} variations{none ? " of this very input." : "."}{" "}
        {grant === "lifts"
          ? ""
          : grant === "approval_lifts"
            ? "No grant lifts this; an approval of exactly this action does."
            : "No grant lifts this."}
      </p>
    </section>
  );
}

export function Tried({ explanation: { entries, rules } }: { explanation: Explanation }): JSX.Element {
  return (
    <section>
      <h2>What was tried</h2>
      {entries.length === 0 ? <p>No entry of the purpose names this verb and type.</p> : null}
      <table class="tried">
        <caption class="aside">Entries of the purpose, and what each looked at</caption>
        <Heads of={["Entry", "Looked at", "Wanted", "Found", "Holds"]} />
        <tbody>
          {entries.flatMap((entry, i) => {
            const { conditions } = entry;
            const shown = conditions.length === 0 ? [null] : conditions;
            return shown.map((condition, at) => (
              <tr key={`${i} ${at}`} class={at === 0 ? "first" : ""}>
                {at === 0 ? (
                  <th scope="row" rowSpan={shown.length}>
                    <span class={`effect ${entry.effect}`}>{entry.effect}</span> <Said text={entry.code} />{" "}
                    <span class="why">{entry.applies === "yes" ? "applies" : entry.applies === "no" ? "does not apply" : "unknown"}</span>
                  </th>
                ) : null}
                {condition === null ? (
                  <td colSpan={4} class="none">
                    always
                  </td>
                ) : (
                  <>
                    <td>
                      <Said text={condition.name} />
                    </td>
                    <td>
                      <Said text={condition.wanted} max={200} />
                    </td>
                    <td>
                      <Said text={valueText(condition.found)} max={200} />
                    </td>
                    <td class={`holds ${condition.holds}`}>{condition.holds}</td>
                  </>
                )}
              </tr>
            ));
          })}
        </tbody>
      </table>
      {rules.length === 0 ? null : (
        <ul class="rules">
          {rules.map((rule) => (
            <li key={rule.code} class={rule.fired ? "fired" : "none"}>
              <span class={`effect ${rule.effect}`}>{rule.effect}</span> <Said text={rule.code} /> {rule.fired ? "fired" : "did not fire"} ·{" "}
              <Said text={rule.title} /> <code>{rule.sources.join(", ")}</code>
              {rule.fired && rule.read.length > 0 ? (
                <div class="why">
                  read{" "}
                  {rule.read.map(({ path, found }, i) => (
                    <span key={path}>
                      {i === 0 ? "" : ", "}
                      <Said text={path} /> = <Said text={valueText(found)} max={80} />
                    </span>
                  ))}
                </div>
              ) : null}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** How an action doesn't fit its task's plan, and what to do. */
export function Plan({ explanation: { plan } }: { explanation: Explanation }): JSX.Element | null {
  if (plan === null || plan.length === 0) return null;
  return (
    <section>
      <h2>How it doesn't fit the task's plan</h2>
      <table class="tried">
        <Heads of={["Step", "Argument", "Planned", "Found", "What to do"]} />
        <tbody>
          {plan.map(({ code, step, argument, wanted, found, next }, i) => (
            <tr key={i} class="first">
              <th scope="row">
                <code>{code}</code> {step === null ? "" : <Said text={step} />}
              </th>
              <td>{argument === null ? "" : <Said text={argument} />}</td>
              <td>{wanted.length === 0 ? "not known any more" : <Said text={wanted.join(", ")} max={400} />}</td>
              <td>
                <Said text={found.join(", ")} max={400} />
              </td>
              <td>
                <Words text={next} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "unknown";
  if (typeof value === "string") return value;
  const members = typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : [];
  // What an action is about has a name and an id; all else is shown as it stands on record.
  return members.length === 1 && typeof members[0]?.[1] === "string" ? members[0].join(" ") : JSON.stringify(value);
}

const LINES_MAX = 1000;
const LINE_MAX = 2000;

/** JSON as it stands on record, closed until somebody wants it. */
export function Json({ title, value }: { title: string; value: unknown }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen ? <JsonText value={value} /> : null}
    </details>
  );
}

/** JSON by lines, of which those are left out that nobody would read here; that they are is said. */
export function JsonText({ value }: { value: unknown }): JSX.Element {
  const text = JSON.stringify(value, null, 2);
  const lines = text.split("\n", LINES_MAX + 1);
  return (
    <pre tabIndex={0}>
      {lines.slice(0, LINES_MAX).map((line, i) => (
        <span key={i}>
          <Said text={line} max={LINE_MAX} />
          {"\n"}
        </span>
      ))}
      {lines.length > LINES_MAX
        ? `… the first ${LINES_MAX.toLocaleString("en")} lines of ${text.length.toLocaleString("en")} characters`
        : ""}
    </pre>
  );
}
