/** Puts together what tells of enforcement that isn't alive: notices, sensors that are missed, and traces. */
import { DecisionClaims } from "../adapters/otlp/decision_claims.js";
import { readOtelMapping } from "../adapters/otlp/mapping.js";
import { OtlpReports } from "../adapters/otlp/report.js";
import { UnknownWords } from "../adapters/otlp/unknown_words.js";
import type { OwnRecords } from "../audit/log/own_records.js";
import type { RecordSearch } from "../records/search.js";
import { Problem, type RecordFilter, type RecordPage } from "../contract/index.js";
import type { Observer } from "../decision/observe.js";
import type { ActivePolicy, Log } from "../decision/ports.js";
import type { IncidentPort } from "../decision/pdp.js";
import { Notices } from "../findings/notices.js";
import { Sensors } from "../findings/sensors.js";
import type { Config } from "../system/config.js";
import { othersTurn, pause, type System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { uuid7 } from "../system/uuid.js";
import type { SensingRoom } from "../http/rooms.js";

export interface SensingDeps {
  config: Pick<Config, "observe">;
  log: Log;
  incidents: IncidentPort;
  search: RecordSearch;
  records: Pick<OwnRecords, "admin">;
  system: System;
  logger: Logger;
}

export interface WiredSensing extends Omit<SensingRoom, "otlp"> {
  reading: (observer: Observer) => SensingRoom["otlp"];
  /** Warns of words of the mapping that the policy doesn't know. */
  activated: (policy: ActivePolicy) => void;
}

/** @throws YamlError of the mapping */
export function wireSensing(deps: SensingDeps): WiredSensing {
  const { config, log, incidents, search, records, system, logger } = deps;
  const { sensors = {}, otlp } = config.observe;
  const mapping = otlp === undefined ? null : readOtelMapping(otlp.mapping);
  const notices = new Notices({ log, incidents, clock: system.clock, newId: uuid7(system.clock, system.random) });
  const words = mapping === null ? null : new UnknownWords(mapping.words);
  return {
    notices,
    activated: (policy) => {
      for (const { what, word, place, places, meant } of words?.unknownTo(policy) ?? []) {
        report(logger, "mapping_word_unknown", {
          code: `${what}_unknown`,
          [what]: word,
          place,
          places,
          ...(meant !== null && { meant }),
          ...policy.identity,
        });
      }
    },
    sensors: new Sensors(sensors, system, async (code, sensor, silent_ms) => {
      const ms = Math.round(silent_ms);
      const message =
        code === "sensor_silent" ? `sensor ${sensor} has reported nothing for ${ms} ms` : `sensor ${sensor} reports again, after ${ms} ms`;
      report(logger, code, { code, sensor, silent_ms: ms });
      await notices.note({ code, caller: sensor, agent: null, purpose: null, message, detail: { silent_ms: ms } });
    }),
    reading: (observer) => {
      if (otlp === undefined || mapping === null) return null;
      const { spans_max, asked_within_ms, skew_ms, body_bytes_max } = otlp;
      const asked = new DecisionClaims({
        within_ms: asked_within_ms,
        skew_ms,
        find: (filter, limit) => find(search, filter, limit),
      });
      return {
        reports: new OtlpReports({
          ...{ mapping, observer, asked, limits: { spans_max } },
          vouched: (caller, calls) => records.admin(caller, "vouched", { calls }),
          othersTurn: () => othersTurn(system.timers),
          pause: (ms) => pause(system.timers, ms),
          now: () => system.clock.monotonic(),
          notUnderstood: (caller, attribute) => {
            report(logger, "spans_unknown", {
              code: "spans_unknown",
              caller,
              attribute,
            });
          },
        }),
        body_bytes_max,
      };
    },
  };
}

/** Every record that is on disk now is looked at, or nothing is said. @throws Problem `index_unavailable` */
async function find(search: RecordSearch, filter: RecordFilter, limit: number): Promise<RecordPage> {
  const { durable } = search;
  const text = await search.ask({ kind: "page", filter, order: "newest", after: null, limit });
  const page = JSON.parse(text ?? "null") as RecordPage | null;
  if (page === null || page.indexed_to < durable) throw new Problem("index_unavailable");
  return page;
}
