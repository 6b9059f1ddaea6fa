/** Process that uploads files of records: what it waits for, and the engine that splits files by day, cost the service nothing. */
import { system } from "../system/index.js";
import { ownerPort } from "../system/owner_port.js";
import { Uploader } from "./uploader.js";
import type { FromUploads, ToUploads, UploadsOptions } from "./uploads.js";

const STATUS_MS = 500;

const port = ownerPort<ToUploads, FromUploads>();
const { directory, buckets } = JSON.parse(process.argv[2] ?? "") as UploadsOptions;

const uploaders = buckets.map((options) => {
  const { name: bucket, url } = options;
  return new Uploader(options, directory, system, {
    failing(detail) {
      port.send({ kind: "event", event: "upload_failing", fields: { bucket, url, detail } });
    },
    recovered() {
      port.send({ kind: "event", event: "upload_back", fields: { bucket } });
    },
  });
});
const running = uploaders.map((uploader) => uploader.run());

let told = "";
const stopTelling = system.timers.every(STATUS_MS, () => {
  const status = uploaders.map((uploader) => uploader.status);
  const text = JSON.stringify(status);
  if (text !== told) port.send({ kind: "status", buckets: status });
  told = text;
});

port.onMessage(() => {
  stopTelling();
  for (const uploader of uploaders) uploader.stop();
  void Promise.all(running).then(() => {
    port.send({ kind: "closed" });
    port.close();
  });
});
