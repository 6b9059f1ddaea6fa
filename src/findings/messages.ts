/**
 * A finding's news in the forms of those who tell people: Standard Webhooks, Slack, Teams, PagerDuty. What comes from a request or a policy is plain text
 * in each, so that no agent can write a link or call somebody.
 */
import { isVerdict, SLACK_APPROVE, type Finding, type WebhookFormat } from "../contract/index.js";
import type { News } from "./findings.js";
import type { WaitingAction } from "./waiting_action.js";

/** Most fields that are shown of an action that waits. */
const FIELDS_MAX = 10;
const REASONS_MAX = 3;
/** Characters of one part, below what each receiver takes. */
const PART_MAX = 1000;
const TITLE_MAX = 140;

interface Story {
  title: string;
  /** Lines of plain text. */
  lines: string[];
  link: string | null;
  /** Action that waits, with its finding; null: none does. */
  waits: { finding: string; action: WaitingAction } | null;
}

/**
 * @param buttons true: an action that waits, and is shown whole, can be approved by a press in Slack
 * @param console_url where people look into findings; null: nothing is linked
 */
export function messageOf(format: Exclude<WebhookFormat, "pagerduty">, news: News, console_url: string | null, buttons = false): object {
  if (format === "standard") return standardMessage(news);
  const story = storyOf(news, console_url);
  return format === "slack" ? slackMessage(story, buttons) : teamsMessage(story);
}

function standardMessage({ change, finding }: News): object {
  return { type: `finding.${change}`, timestamp: finding.verdict?.at ?? finding.last_seen, data: finding };
}

function storyOf({ change, finding }: News, console_url: string | null): Story {
  const { agent, purpose, severity, code, about, actions, reasons, waiting, verdict } = finding;
  const waits = isVerdict(finding.state) ? undefined : waiting.at(-1);
  const what = isVerdict(finding.state) ? `judged ${finding.state}` : waits !== undefined ? "waits for approval" : change;
  const facts = [
    // A notice is of no action, and says itself whom it is about.
    ...(agent === null && actions.all === 0 ? [] : [`agent: ${agent ?? "not registered"}`]),
    ...(purpose === null ? [] : [`purpose: ${purpose}`]),
    `actions: ${actions.all} (${actions.deny} denied, ${actions.flag} flagged)`,
    ...reasons.slice(0, REASONS_MAX).map(({ message }) => message),
    ...(waits === undefined
      ? []
      : [`waits until ${waits.until}:`, ...waits.fields.slice(0, FIELDS_MAX).map(({ field, value }) => `  ${field}: ${value}`)]),
    ...(verdict === null ? [] : [`by ${verdict.by}: ${verdict.reason}`]),
    `finding: ${finding.id}`,
  ];
  return {
    title: clipped(`${severity}: ${code ?? about}, ${what}`, TITLE_MAX),
    lines: facts.map((line) => clipped(line, PART_MAX)),
    link: console_url === null ? null : linkTo(finding, console_url),
    waits: waits === undefined ? null : { finding: finding.id, action: waits },
  };
}

/** Returns a finding's page in the console. */
function linkTo({ id }: Finding, console_url: string): string {
  return `${console_url.replace(/\/$/, "")}/findings/${encodeURIComponent(id)}`;
}

function clipped(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}

/** Returns blocks of Slack's Block Kit; `text` is for notifications, in which three characters are its own. */
function slackMessage({ title, lines, link, waits }: Story, buttons: boolean): object {
  const approved = buttons && waits !== null && isWhole(waits.action) ? waits : null;
  const elements = [
    ...(approved === null ? [] : [approveButton(approved)]),
    ...(link === null ? [] : [{ type: "button", text: plain("Look into it"), url: link }]),
  ];
  return {
    text: title.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
    blocks: [
      { type: "header", text: plain(title) },
      { type: "section", text: plain(clipped(lines.join("\n"), 2 * PART_MAX)) },
      ...(approved === null ? [] : [{ type: "section", text: plain(wholeText(approved.action)) }]),
      ...(elements.length === 0 ? [] : [{ type: "actions", elements }]),
    ],
  };
}

const plain = (text: string): object => ({ type: "plain_text", text, emoji: false });

/** Returns true if a person sees all of an action: nothing was left out, and no name or value is cut. */
function isWhole({ fields, more, principals }: WaitingAction): boolean {
  return more === 0 && principals !== null && !fields.some(({ field, value }) => field.endsWith("…") || value.endsWith("…"));
}

/** Returns each value of an action; all of them fit into a section of Slack's. */
function wholeText({ fields, until }: WaitingAction): string {
  return [`Approve exactly this, until ${until}:`, ...fields.map(({ field, value }) => `${field}: ${value}`)].join("\n");
}

/** Returns the button, whose press says which decision, and the digest over all that its approval is bound to. */
function approveButton({ finding, action: { decision_id: decision, approval_digest: approval } }: NonNullable<Story["waits"]>): object {
  return {
    ...{ type: "button", action_id: SLACK_APPROVE, style: "primary", text: plain("Approve") },
    value: JSON.stringify({ finding, decision, approval }),
    confirm: {
      title: plain("Approve this action?"),
      text: plain("It may be done once, exactly as it is shown."),
      confirm: plain("Approve"),
      deny: plain("Cancel"),
    },
  };
}

/** An adaptive card; text runs know no Markdown, unlike its other texts. */
function teamsMessage({ title, lines, link }: Story): object {
  const block = (text: string, more: object): object => ({ type: "RichTextBlock", inlines: [{ type: "TextRun", text, ...more }] });
  const content = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    ...{ type: "AdaptiveCard", version: "1.4" },
    body: [block(title, { weight: "bolder", size: "medium" }), ...lines.map((line) => block(line, {}))],
    actions: link === null ? [] : [{ type: "Action.OpenUrl", title: "Look into it", url: link }],
  };
  return { type: "message", attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", content }] };
}

const PAGERDUTY_SEVERITY: Readonly<Record<Finding["severity"], string>> = {
  ...{ info: "info", low: "info", medium: "warning", high: "error", critical: "critical" },
};

/** An event of PagerDuty's Events API v2: one alert a finding, acknowledged while it is in review, and resolved by a verdict. */
export function pagerDutyEvent(news: News, console_url: string | null, routing_key: string): object {
  const { finding } = news;
  const { title, lines, link } = storyOf(news, console_url);
  const event = { routing_key, dedup_key: finding.id };
  if (isVerdict(finding.state)) return { ...event, event_action: "resolve" };
  if (finding.state === "in_review") return { ...event, event_action: "acknowledge" };
  return {
    ...event,
    event_action: "trigger",
    client: "Remit",
    payload: {
      summary: title,
      source: finding.agent ?? "remit",
      severity: PAGERDUTY_SEVERITY[finding.severity],
      timestamp: finding.last_seen,
      class: finding.code ?? finding.about,
      ...(finding.purpose !== null && { group: finding.purpose }),
      custom_details: { lines },
    },
    ...(link !== null && { links: [{ href: link, text: "Look into it" }] }),
  };
}
