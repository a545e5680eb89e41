// What the pit wall's forecast of its disk means to people.

const SOON_S = 3600; // less room than this is worth a colour
const NOW_S = 600; // recordings that stop this soon are worth a word above everything

/** Nothing can be recorded, and nothing that may go is left. */
export const isFull = ({ room_bytes: room, used_bytes: used, kept_bytes: kept }) => room <= 0 && used <= kept;
/** Recordings are about to stop. */
export const stopsSoon = ({ seconds_to_stop: stop }) => stop !== null && stop < NOW_S;
/** The room will last for no long drive. */
export const isShort = ({ seconds_left: left }) => left !== null && left < SOON_S;
