/**
 * Buttons in Slack: a press approves one action that waits, under the name that the configuration has for that user of Slack. Whether this person may is
 * the service's to say, as it is for a press in the console.
 */
import type { Finding } from "../contract/index.js";
import { SLACK_APPROVE } from "../contract/index.js";
import { Type } from "../contract/type.js";
import type { System } from "../system/index.js";
import type { Logger } from "../system/logger.js";
import { poster } from "../system/post.js";
import { schemas } from "../system/schemas.js";
import type { ConsoleConfig } from "./config.js";
import { reportConsole } from "./log_events.js";
import { ConsoleProblem } from "./problems.js";
import { SlackRequests, type SignedRequest } from "./slack_requests.js";
import type { Tokens } from "./tokens.js";
import type { ServiceUpstream } from "./upstream.js";

type SlackConfig = NonNullable<ConsoleConfig["slack"]>;

export interface SlackDeps {
  tokens: Tokens;
  upstream: ServiceUpstream;
  system: Pick<System, "clock" | "timers">;
  logger: Logger;
}

const text = (maxLength = 256) => Type.String({ minLength: 1, maxLength });
/** Members of an interaction that are read (Slack, `block_actions`). */
interface ButtonPress {
  team: { id: string };
  user: { id: string };
  actions: [{ action_id: string; value: string }];
  response_url: string;
  message?: { blocks?: unknown[] };
}

const isPress = schemas().compile<ButtonPress>(
  Type.Object({
    type: Type.Literal("block_actions"),
    team: Type.Object({ id: text() }),
    user: Type.Object({ id: text() }),
    actions: Type.Array(Type.Object({ action_id: text(), value: text(2000) }), { minItems: 1, maxItems: 1 }),
    response_url: text(2048),
    message: Type.Optional(Type.Object({ blocks: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 50 })) })),
  }),
);
/** Value of a button: what it approves. */
interface ApproveButton {
  finding: string;
  decision: string;
  /** Digest over all that an approval is bound to. */
  approval: string;
}

const isButton = schemas().compile<ApproveButton>(
  Type.Object({ finding: text(), decision: text(), approval: text() }, { additionalProperties: false }),
);
const isFinding = schemas().compile<{ waiting: Pick<Finding["waiting"][number], "decision_id" | "approval_digest">[] }>(
  Type.Object({ waiting: Type.Array(Type.Object({ decision_id: text(), approval_digest: text() })) }),
);

const REASON = "approved in Slack";
const ANSWER_MS = 10_000;
/** Codes of the service that mean that nothing more can come of this message. */
const OVER = new Set(["approval_none", "finding_not_found"]);

export class SlackApprovals {
  readonly #config: SlackConfig;
  readonly #requests: SlackRequests;
  readonly #deps: SlackDeps;

  /** @throws the file system's error, and Error for an empty file of the secret */
  constructor(config: SlackConfig, deps: SlackDeps) {
    this.#config = config;
    this.#requests = new SlackRequests(config.signing_secret, deps.system.clock);
    this.#deps = deps;
  }

  /**
   * Takes a press. Slack waits three seconds for an answer, so the outcome follows in the message.
   * @returns what is left to do, which never rejects
   * @throws ConsoleProblem `slack_refused`, `slack_busy`, `body_invalid`
   */
  take(signed: SignedRequest): () => Promise<void> {
    this.#requests.take(signed);
    const press = pressIn(signed.body);
    const { team, response_origin, people } = this.#config;
    if (press.team.id !== team) throw new ConsoleProblem("slack_refused", "a user of the configured workspace");
    const url = URL.canParse(press.response_url) ? new URL(press.response_url) : null;
    // Signed as it is, nobody else's word leads the console anywhere.
    if (url === null || url.origin !== response_origin) throw new ConsoleProblem("slack_refused", "a `response_url` of Slack");
    const button = buttonIn(press.actions[0].value);
    if (press.actions[0].action_id !== SLACK_APPROVE || button === null) throw new ConsoleProblem("body_invalid", "a press of Approve");
    const person = Object.hasOwn(people, press.user.id) ? people[press.user.id] : undefined;
    return async () => {
      const said = person === undefined ? stranger() : await this.#approve(person, button, press.user.id).catch(failed);
      await this.#say(url, said.done ? whole(press.message?.blocks ?? [], said.text) : aside(said.text));
    };
  }

  async #approve(person: string, { finding, decision, approval }: ApproveButton, user: string): Promise<PressOutcome> {
    const { tokens, upstream, logger, system } = this.#deps;
    const token = tokens.forRequest(person, ["remit:review"], null);
    const path = `/findings/${encodeURIComponent(finding)}`;
    const found = await upstream.ask({ method: "GET", path, token });
    const known: unknown = found.status === 200 ? JSON.parse(found.body.toString("utf8")) : null;
    if (found.status !== 200) return refused(found.body);
    // What was shown is what this digest is over: another action under the same id is another.
    const waits = isFinding(known) && known.waiting.some((one) => one.decision_id === decision && one.approval_digest === approval);
    if (!waits) return { done: true, text: "What this message shows doesn't wait any more." };
    const body = Buffer.from(JSON.stringify({ decision, reason: REASON }));
    const begun = system.clock.monotonic();
    const answer = await upstream.ask({
      method: "POST",
      path: `${path}/approvals`,
      token,
      headers: { "content-type": "application/json" },
      body,
    });
    const took_ms = Math.round(system.clock.monotonic() - begun);
    reportConsole(logger, "change_passed_on", {
      person,
      method: "POST",
      path: `${path}/approvals`,
      status: answer.status,
      took_ms,
      slack_user: user,
    });
    if (answer.status !== 200 && answer.status !== 201) return refused(answer.body);
    const { state } = JSON.parse(answer.body.toString("utf8")) as { state?: unknown };
    return state === "live"
      ? { done: true, text: `Approved by ${person}.` }
      : { done: false, text: `Approved by ${person}; somebody else has to approve it too.` };
  }

  async #say(url: URL, message: object): Promise<void> {
    const { post, close } = poster(url, ANSWER_MS, this.#deps.system.timers);
    try {
      const { status } = await post({ "content-type": "application/json" }, Buffer.from(JSON.stringify(message)));
      if (status !== 200) throw new Error(`status ${status}`);
    } catch (cause) {
      reportConsole(this.#deps.logger, "slack_unanswered", { detail: cause instanceof Error ? cause.message : String(cause) });
    } finally {
      close();
    }
  }
}

interface PressOutcome {
  /** True where the button is taken away. */
  done: boolean;
  text: string;
}

/** @throws ConsoleProblem `body_invalid` */
function pressIn(body: Buffer): ButtonPress {
  const given = new URLSearchParams(body.toString("utf8")).getAll("payload");
  const press = given.length === 1 ? jsonIn(given[0] ?? "") : null;
  if (!isPress(press)) throw new ConsoleProblem("body_invalid", "one press of a button, as Slack sends it");
  return press;
}

function buttonIn(value: string): ApproveButton | null {
  const button = jsonIn(value);
  return isButton(button) ? button : null;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const stranger = (): PressOutcome => ({ done: false, text: "Nobody in Remit is known by your name in Slack, so nothing was approved." });

/** Says the service's code, and its title, which are its own; no value of a request. */
function refused(body: Buffer): PressOutcome {
  const { code, title } = (jsonIn(body.toString("utf8")) ?? {}) as { code?: unknown; title?: unknown };
  const isOver = typeof code === "string" && OVER.has(code);
  const why = typeof code === "string" && typeof title === "string" ? `${title} (${code})` : "the service refuses it";
  return { done: isOver, text: isOver ? "What this message shows doesn't wait any more." : `Not approved: ${why}.` };
}

const failed = (): PressOutcome => ({ done: false, text: "Not approved: the service doesn't answer. Try again." });

/** For whoever pressed alone; the message stays, with its button. */
function aside(text: string): object {
  return { response_type: "ephemeral", replace_original: false, text: plain(text) };
}

/** The message as it was, with what became of it in the place of its buttons. */
function whole(blocks: readonly unknown[], text: string): object {
  const kept = blocks.filter((block) => (block as { type?: unknown } | null)?.type !== "actions");
  return {
    replace_original: true,
    text: plain(text),
    blocks: [...kept, { type: "section", text: { type: "plain_text", text, emoji: false } }],
  };
}

/** Three characters are Slack's own in its texts. */
function plain(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
