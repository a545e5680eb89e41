// Requests about cars.

import { json } from "./request.js";

const of = (car) => `/api/cars/${encodeURIComponent(car)}`;

export const state = () => json("/state");
export const answers = () => state().then(() => true, () => false);
export const changeLook = (car, body) => json(`${of(car)}/look`, { method: "PATCH", body });
/** Mark this moment; starts a recording where there is none. Answers { bookmark, started, recording }. */
export const bookmark = (car, label = "") => json(`${of(car)}/bookmarks`, { method: "POST", body: { label } });
export const record = (car, action) => json(`${of(car)}/recording`, { method: "POST", body: { action } });
