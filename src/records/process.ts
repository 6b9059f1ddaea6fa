/** Process that has a log's records: neither a failure of its engine nor its memory affects the service that decides. */
import { system } from "../system/index.js";
import { ownerPort } from "../system/owner_port.js";
import { serveRecords, type FromRecords, type ServingOptions, type ToRecords } from "./serve.js";

serveRecords(ownerPort<ToRecords, FromRecords>(), JSON.parse(process.argv[2] ?? "") as ServingOptions, system);
