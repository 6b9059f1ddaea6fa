/** Ends with 0 if the service in this container answers `/healthz`. Its certificate names a host, not the loopback address. */
import { request as http } from "node:http";
import { request as https } from "node:https";

const url = new URL("/healthz", process.env.REMIT_HEALTH_URL ?? "https://127.0.0.1:8181");
const host = process.env.REMIT_HEALTH_HOST ?? "localhost";
const options = { headers: { host }, rejectUnauthorized: false, timeout: 2500 };
const request = (url.protocol === "https:" ? https : http)(url, options, (response) => {
  response.resume();
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
request.on("timeout", () => request.destroy(new Error("no answer in time")));
request.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
request.end();
