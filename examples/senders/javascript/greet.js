// greet: tells a provider of messages what to say to whom, in JSON. An example of a sender in JavaScript.
//
// Data: {"text": "the beans are in"}. The provider gets, with the manifest's greeting before the text,
// {"to": "lu@example.com", "text": "Hello Lu, the beans are in"}.

import { get as configured } from "pusher:sender/config@0.1.0";
import { get as lookUp } from "pusher:sender/pushers@0.1.0";

export const sender = {
  name: () => "greet",

  // What is returned is an outcome; what is thrown is a failure.
  async send(message) {
    const text = textOf(message.data);
    const to = recipient(message.pusher);
    if (!to.email) throw permanent("the recipient has no e-mail address");
    const greeting = configured("greeting") || "Hello";
    const body = { to: to.email, text: `${greeting} ${to.nickname || to.id}, ${text}` };
    // The host adds the authorization that the manifest has under [http.headers].
    const headers = {
      "content-type": "application/json",
      // The same for every attempt, so that the provider can see that it has this message already.
      "idempotency-key": message.id,
    };
    return judge(...(await post(required("url"), headers, JSON.stringify(body))));
  },
};

/** The text in a message's data. Data that is not what this sender asks for will not get better. */
function textOf(data) {
  let text;
  try {
    text = JSON.parse(data).text;
  } catch {
    // Not JSON, or null: there is no text in it.
  }
  if (typeof text !== "string") throw permanent('the data is not {"text": "…"}');
  return text;
}

function recipient(id) {
  try {
    return lookUp(id);
  } catch (error) {
    if (error.payload?.tag === "not-found") throw permanent("the recipient is gone");
    throw temporary(`the recipient cannot be looked up: ${describe(error)}`);
  }
}

/** The value in the manifest. Without it the message waits for whoever mends the manifest. */
function required(key) {
  const value = configured(key);
  if (!value) throw temporary(`the manifest has no ${key} in [config] or [secrets]`);
  return value;
}

/** The response, and its whole body as text. */
async function post(url, headers, body) {
  try {
    const response = await fetch(url, { method: "POST", headers, body });
    return [response, await response.text()];
  } catch (error) {
    throw temporary(`no answer from the provider: ${error}`);
  }
}

/** What a provider's answer means for the message. */
function judge(response, text) {
  if (response.ok) return { tag: "done" };
  if (response.status === 429) throw { tag: "limited", val: retryAfter(response) };
  const reason = `the provider answered ${response.status}: ${text.slice(0, 300)}`;
  if (response.status === 408 || response.status >= 500) throw temporary(reason);
  throw permanent(reason);
}

/** The seconds that the provider asks to wait; undefined if it says nothing, or a date. */
function retryAfter(response) {
  const value = response.headers.get("retry-after")?.trim() ?? "";
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

const temporary = (reason) => ({ tag: "temporary", val: reason });
const permanent = (reason) => ({ tag: "permanent", val: reason });

/** One of the host's errors, such as `connect: nobody listens`. */
const describe = (error) => (error.payload ? `${error.payload.tag}: ${error.payload.val ?? ""}` : String(error));
