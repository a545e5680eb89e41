// Requests to the pit wall. A refusal becomes an Error whose message is the pit wall's own sentence.

const PATIENCE_MS = 8000;

async function request(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  } catch {
    throw new Error("The pit wall does not answer.");
  }
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 600) || `The pit wall answers ${answer.status}.`);
  return answer.json();
}

const send = (method, path, body) => request(path, { method, body: JSON.stringify(body) });
const of = (car) => `/api/cars/${encodeURIComponent(car)}`;

export const state = () => request("/state");
export const answers = () => state().then(() => true, () => false);
export const changeLook = (car, changes) => send("PATCH", `${of(car)}/look`, changes);
/** Mark this moment; starts a recording where there is none. Answers { bookmark, started, recording }. */
export const bookmark = (car, label = "") => send("POST", `${of(car)}/bookmarks`, { label });
export const record = (car, action) => send("POST", `${of(car)}/recording`, { action });
