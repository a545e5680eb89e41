// One request to the pit wall. A refusal becomes an Error whose message is the pit wall's own sentence.

const PATIENCE_MS = 8000;
const LONGEST = 600; // characters of a sentence

/** The answer, if it is one that grants what was asked for. `body` is sent as JSON. */
export async function ask(path, { method = "GET", body = undefined, patienceMs = PATIENCE_MS, cache = "no-store" } = {}) {
  const options = { method, cache, signal: AbortSignal.timeout(patienceMs) };
  if (body !== undefined) options.body = JSON.stringify(body);
  const answer = await heard(fetch(path, options));
  if (!answer.ok) throw new Error((await heard(answer.text())).slice(0, LONGEST) || `The pit wall answers ${answer.status}.`);
  return answer;
}

export const json = async (path, options) => heard((await ask(path, options)).json());
export const blob = async (path, options) => heard((await ask(path, options)).blob());
export const buffer = async (path, options) => heard((await ask(path, options)).arrayBuffer());

async function heard(promise) {
  try {
    return await promise;
  } catch {
    throw new Error("The pit wall does not answer.");
  }
}
