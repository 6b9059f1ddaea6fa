/** Words what a channel saw, with numbers, for operators. Names come from acts: they are cut, and unprintable characters are replaced. */
import type { Act } from "../contract/index.js";
import { BESIDE, channelOf, FALSE_A_YEAR, LABELLED, oddsTaken, SHUFFLED } from "./evidence.js";
import { upTo, usual } from "./histogram.js";
import { CHANNEL, type SeenAction } from "./seen_action.js";
import type { Slab } from "./slab.js";

const NAME_MAX = 40;
const LABELS_NAMED_MAX = 3;
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

export function nameOf(text: string): string {
  const cut = text.length > NAME_MAX ? `${text.slice(0, NAME_MAX - 1)}…` : text;
  return cut.replace(UNPRINTABLE, "\ufffd");
}

/** @param channel index of one that has something to say */
export function reasonOf(channel: number, act: Act, seen: SeenAction, own: Slab): string {
  const most = (bins: number): number => upTo(usual(own, bins, 0.001));
  if (seen.found >= 0 && channel === channelOf(seen.found)) return evidence(act, seen);
  const type = nameOf(act.type);
  const doing = `${nameOf(act.verb)} ${type}`;
  switch (channel) {
    case CHANNEL.what:
      return what(act, seen, type, doing);
    case CHANNEL.resource:
      return `first ${doing} of ${nameOf(act.id ?? "")}; ${percent(seen.returning)} go to ones it has known for days`;
    case CHANNEL.source:
      return seen.meanwhile >= 0.5
        ? `used from ${nameOf(act.source ?? "")} while its established sources go on working`
        : `used from ${nameOf(act.source ?? "")}, where it has hardly been before`;
    case CHANNEL.hour: {
      const hour = String(seen.hour).padStart(2, "0");
      const many = seen.hourActs > 1 ? `, and it has done ${seen.hourActs} today` : "";
      return `hour ${hour} has ${percent(seen.hourShare)} of its activity${many}`;
    }
    case CHANNEL.order:
      return order(seen, doing);
    case CHANNEL.rate:
      if (seen.rateOfSessions) return `${Math.round(seen.sessionRate)} sessions begun in 10 min; usual at most ${most(seen.rateBins)}`;
      return seen.rateOfType
        ? `${Math.round(seen.typeRate)} acts on ${type} in 5 min; usual at most ${most(seen.rateBins)}`
        : `${Math.round(seen.rate)} acts in 2 min; usual at most ${most(seen.rateBins)}`;
    case CHANNEL.fan_out:
      return seen.fanOfSession
        ? `${seen.subjects + 1} distinct resources in one session; usual at most ${most(seen.fanBins)}`
        : `${Math.round(seen.fan)} distinct ${type} in 10 min; usual at most ${most(seen.fanBins)}`;
    case CHANNEL.denies:
      return `${seen.denied} kinds of action denied in 15 min`;
    case CHANNEL.ticket:
      return act.task === null
        ? `no task; ${percent(seen.tasked)} of its ${type} acts have one`
        : `about another subject than its task's; ${percent(seen.tasked)} of its ${type} acts are about the task's`;
    default:
      return `${Math.round(seen.long)} distinct ${type} in the last days, usual ${Math.round(seen.norm)}; by now ${Math.round(seen.beyond)} beyond the usual`;
  }
}

function evidence({ labels = [] }: Act, { found, odds }: SeenAction): string {
  const named = labels.slice(0, LABELS_NAMED_MAX).map(nameOf).join(", ");
  const what: Record<number, string> = {
    [SHUFFLED]: "its own steps come in another order",
    [BESIDE]: "resources are read beside what its sessions are about",
    [LABELLED]: `more resources labelled ${named} are read than its sessions need`,
  };
  return `${what[found] ?? ""}, over several sessions: odds of ${Number((odds[found] ?? 0).toPrecision(2))} to 1; by chance at most ${FALSE_A_YEAR} such findings a year`;
}

/** Returns the reason if evidence over sessions is on the way to a finding, and says more of the act than the act itself does. */
export function nearing({ nearest, odds }: SeenAction, own: Slab): string {
  const what: Record<number, string> = {
    [SHUFFLED]: "its own steps come in another order",
    [BESIDE]: "resources are read beside what its sessions are about",
    [LABELLED]: "more resources with labels are read than its sessions need",
  };
  const rounded = (value: number): number => Number(value.toPrecision(2));
  return `${what[nearest] ?? ""}: evidence of ${rounded(odds[nearest] ?? 0)} to 1 over sessions, and ${rounded(oddsTaken(own))} to 1 is a finding`;
}

/** Returns the reason if nothing about this act is odd, but what came before still counts. */
export function remembers(channel: number, seconds: number): string {
  const name = Object.keys(CHANNEL)[channel] ?? "";
  return `what it did ${Math.max(1, Math.round(seconds / 60))} min ago still counts: ${name}`;
}

function what(act: Act, seen: SeenAction, type: string, doing: string): string {
  if (seen.keySlot >= 0) return `${doing} is rare: ${Math.round(seen.times)} of its ${Math.round(seen.acts)} acts`;
  const purpose = nameOf(act.purpose);
  const peers = seen.peersDoing === 0 ? `no other agent of ${purpose} ever did` : `${seen.peersDoing} others of ${purpose} do`;
  return seen.typeSlot < 0 ? `first time it touches ${type}; ${peers}` : `first time it does ${doing}; ${peers}`;
}

function order(seen: SeenAction, doing: string): string {
  const acts = Math.round(seen.acts);
  return seen.newness >= 1
    ? `${doing} after what it did before: hardly ever seen in ${acts} acts`
    : `steps of this session are in an unusual order: ${Math.round(seen.run)} bits of surprise more than usual`;
}

function percent(share: number): string {
  const value = Math.max(0, Math.min(100, share * 100));
  return `${value >= 10 || value === 0 ? Math.round(value) : Number(value.toPrecision(1))} %`;
}
